package fakebinance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/gorilla/websocket"
)

// clientRequest is one request of a client on its session.
type clientRequest struct {
	Method *string         `json:"method"`
	Params json.RawMessage `json:"params"`
	ID     json.RawMessage `json:"id"`

	params []json.RawMessage
}

// requestError is what is wrong with a request, with the codes and texts of
// the exchange.
type requestError struct {
	code int
	text string
	id   json.RawMessage // nil: left out of the answer, as the request's could not be read
}

func (e *requestError) Error() string { return e.text }

// Codes of a requestError. After one of invalidRequest or invalidJSON the
// exchange ends the session.
const (
	unknownProperty  = 0
	invalidValueType = 1
	invalidRequest   = 2
	invalidJSON      = 3
	tooManyStreams   = 4
)

var methods = []string{"SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"}

// answer answers a request of the client. It is carried out and answered
// between two rounds of the publisher, so that no trade of a new stream comes
// before the answer, and none of an ended one after it.
func (s *session) answer(text []byte) {
	request, err := parseRequest(text)
	s.publisher.ask(func() {
		var result []byte
		if err == nil {
			result, err = s.publisher.carryOut(s, request)
		}
		var wrong *requestError
		if errors.As(err, &wrong) {
			answer := appendFrame(nil, opText, wrong.answer())
			if wrong.code != invalidRequest && wrong.code != invalidJSON || s.rules.keepAfterError {
				s.put(answer)
				return
			}
			if s.note(EndedByServer, "malformed request") {
				s.out.finish(appendClose(answer, websocket.ClosePolicyViolation, ""))
			}
			return
		}
		s.put(appendFrame(nil, opText, fmt.Appendf(nil, `{"result":%s,"id":%s}`, result, request.ID)))
	})
}

// answer is the error as it comes on the wire: nested, not flat as the
// documents print it.
func (e *requestError) answer() []byte {
	text, err := json.Marshal(e.text)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	if e.id == nil {
		return fmt.Appendf(nil, `{"error":{"code":%d,"msg":%s}}`, e.code, text)
	}
	return fmt.Appendf(nil, `{"error":{"code":%d,"msg":%s},"id":%s}`, e.code, text, e.id)
}

func parseRequest(text []byte) (*clientRequest, error) {
	request := new(clientRequest)
	if err := json.Unmarshal(text, request); err != nil {
		line, column := position(text, err)
		return nil, &requestError{code: invalidJSON, text: fmt.Sprintf("Invalid JSON: expected value at line %d column %d", line, column)}
	}
	if !validID(request.ID) {
		return nil, &requestError{code: invalidRequest, text: "Invalid request: request ID must be an unsigned integer"}
	}
	fail := func(text string) (*clientRequest, error) {
		return nil, &requestError{code: invalidRequest, text: text, id: request.ID}
	}
	if request.Method == nil {
		return fail(fmt.Sprintf("Invalid request: missing field `method` at line 1 column %d", len(text)))
	}
	if !slices.Contains(methods, *request.Method) {
		return fail(fmt.Sprintf("Invalid request: unknown variant %s, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column %d",
			*request.Method, methodEnd(text, *request.Method)))
	}
	if len(request.Params) > 0 && !bytes.Equal(request.Params, []byte("null")) {
		if err := json.Unmarshal(request.Params, &request.params); err != nil {
			return fail("Invalid request: params must be an array")
		}
	}
	limit := map[string]int{"LIST_SUBSCRIPTIONS": 0, "GET_PROPERTY": 1, "SET_PROPERTY": 2}
	if most, limited := limit[*request.Method]; limited && len(request.params) > most {
		return fail("Invalid request: too many parameters")
	}
	return request, nil
}

// validID accepts a 64-bit signed integer, an alphanumeric string of up to 36
// characters, or null.
func validID(id json.RawMessage) bool {
	if len(id) == 0 {
		return false
	}
	if bytes.Equal(id, []byte("null")) {
		return true
	}
	if id[0] != '"' {
		_, err := strconv.ParseInt(string(id), 10, 64)
		return err == nil
	}
	text := id[1 : len(id)-1]
	for _, c := range text {
		alphanumeric := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_'
		if !alphanumeric {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 36
}

// position is where err found text to be no JSON, counted from 1.
func position(text []byte, err error) (line, column int) {
	offset := len(text)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = int(syntax.Offset)
	}
	before := text[:min(offset, len(text))]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return line, max(column, 1)
}

// methodEnd is the column of the closing quote of the method's name.
func methodEnd(text []byte, method string) int {
	quoted := strconv.Quote(method)
	return bytes.Index(text, []byte(quoted)) + len(quoted)
}

// carryOut does what the request asks for and returns its result as JSON. It
// runs on the publisher's goroutine.
func (p *publisher) carryOut(s *session, r *clientRequest) ([]byte, error) {
	switch *r.Method {
	case "SUBSCRIBE", "UNSUBSCRIBE":
		names, err := streamNames(r)
		if err != nil {
			return nil, err
		}
		if *r.Method == "UNSUBSCRIBE" {
			p.unsubscribe(s, names)
			return []byte("null"), nil
		}
		if !p.subscribe(s, names) {
			return nil, &requestError{code: tooManyStreams, text: "Too many subscriptions", id: r.ID}
		}
		return []byte("null"), nil
	case "LIST_SUBSCRIPTIONS":
		return json.Marshal(append([]string{}, s.streams...))
	default:
		return p.property(s, r)
	}
}

func streamNames(r *clientRequest) ([]string, error) {
	names := make([]string, 0, len(r.params))
	for _, param := range r.params {
		var name string
		if err := json.Unmarshal(param, &name); err != nil || !wellFormed(name) {
			return nil, &requestError{code: invalidRequest, text: "Invalid request: invalid stream", id: r.ID}
		}
		names = append(names, name)
	}
	return names, nil
}

// property sets or gets the only property there is.
func (p *publisher) property(s *session, r *clientRequest) ([]byte, error) {
	var name string
	if len(r.params) == 0 || json.Unmarshal(r.params[0], &name) != nil {
		return nil, &requestError{code: invalidRequest, text: "Invalid request: property name must be a string", id: r.ID}
	}
	if name != "combined" {
		return nil, &requestError{code: unknownProperty, text: "Unknown property", id: r.ID}
	}
	if *r.Method == "GET_PROPERTY" {
		return strconv.AppendBool(nil, s.format&combined != 0), nil
	}
	var on *bool
	if len(r.params) < 2 || json.Unmarshal(r.params[1], &on) != nil || on == nil {
		return nil, &requestError{code: invalidValueType, text: "Invalid value type: expected Boolean", id: r.ID}
	}
	f := s.format &^ combined
	if *on {
		f |= combined
	}
	p.reformat(s, f)
	return []byte("null"), nil
}
