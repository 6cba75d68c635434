package fakebinance

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	defaultRows = 500
	maxRows     = 1000
)

// symbol reads the mandatory parameter symbol.
func (s *Server) symbol(r *restRequest) (string, error) {
	symbol := r.query.Get("symbol")
	if symbol == "" {
		return "", &restError{http.StatusBadRequest, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."}
	}
	if err := s.known(symbol); err != nil {
		return "", err
	}
	return symbol, nil
}

func (s *Server) known(symbol string) error {
	if symbol != strings.ToUpper(symbol) {
		return &restError{http.StatusBadRequest, -1100, `Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.`}
	}
	if s.publisher.lines[symbol] == nil {
		return &restError{http.StatusBadRequest, -1121, "Invalid symbol."}
	}
	return nil
}

// number reads a parameter that is a whole number; given tells whether it is there.
func (r *restRequest) number(name string) (n int64, given bool, err error) {
	text := r.query.Get(name)
	if text == "" {
		return 0, r.query.Has(name), nil
	}
	n, err = strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, true, &restError{http.StatusBadRequest, -1100, fmt.Sprintf(`Illegal characters found in parameter '%s'; legal range is '^[0-9]{1,20}$'.`, name)}
	}
	return n, true, nil
}

// limit reads the parameter limit; what is above the maximum means the maximum.
func (r *restRequest) limit() (int64, error) {
	n, given, err := r.number("limit")
	if err != nil || !given {
		return defaultRows, err
	}
	return min(max(n, 1), maxRows), nil
}

// check looks for parameters that an endpoint doesn't take, takes once only, or
// that are empty.
func (r *restRequest) check(takes string) error {
	known := 0
	for name, values := range r.query {
		switch {
		case !strings.Contains(takes, " "+name+" "):
			continue
		case len(values) > 1:
			return &restError{http.StatusBadRequest, -1101, "Duplicate values for a parameter detected."}
		case values[0] == "" && name != "symbol": // the symbol is mandatory and has its own error
			return &restError{http.StatusBadRequest, -1105, fmt.Sprintf("Parameter '%s' was empty.", name)}
		}
		known++
	}
	switch sent := len(r.query); {
	case sent == known:
		return nil
	case takes == " ":
		return &restError{http.StatusBadRequest, -1101, fmt.Sprintf("Too many parameters; expected '0' and received '%d'.", sent)}
	default:
		return &restError{http.StatusBadRequest, -1104, fmt.Sprintf("Not all sent parameters were read; read '%d' parameter(s) but was sent '%d'.", known, sent)}
	}
}

// page is what a request for rows asks for.
type page struct {
	symbol string
	from   int64 // first id, if given
	given  bool
	limit  int64
}

func (s *Server) page(r *restRequest) (p page, err error) {
	if p.symbol, err = s.symbol(r); err != nil {
		return p, err
	}
	if p.limit, err = r.limit(); err != nil {
		return p, err
	}
	p.from, p.given, err = r.number("fromId")
	return p, err
}

// instant reads a parameter that is a time, in milliseconds or microseconds,
// and returns the first and the last Unix microsecond of it.
func (r *restRequest) instant(name string) (first, last int64, given bool, err error) {
	n, given, err := r.number(name)
	if n < 100_000_000_000_000 { // the year 5138 in milliseconds, 1973 in microseconds
		return n * 1000, n*1000 + 999, given, err
	}
	return n, n, given, err
}
