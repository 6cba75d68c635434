package fakebinance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxControlBody bounds a request of the control API; a fault needs a few
// hundred bytes.
const maxControlBody = 64 << 10

// controlFault is a Fault as the body of POST /faults has it.
type controlFault struct {
	Kind     string       `json:"kind"`
	Target   string       `json:"target,omitempty"`
	For      string       `json:"for,omitempty"`
	Settings settingTexts `json:"settings,omitempty"`
}

// faultList is what GET /faults answers.
type faultList struct {
	Kinds      []FaultKind       `json:"kinds"`
	Injections []InjectionStatus `json:"injections"`
}

// controlUsage is what GET / of the control API answers, with the address under
// which it was asked in place of controlExample.
const controlUsage = `curl localhost:9444/status                   # sessions, streams, rates, faults, ledger
curl localhost:9444/ledger                   # id ranges, lateness, the newest 1000 sessions
curl localhost:9444/faults                   # kinds with their settings, and injections so far
curl localhost:9444/faults -d '{"kind":"stall","target":"all","for":"30s"}'
curl localhost:9444/faults -d '{"kind":"close","for":"1s","settings":{"code":1008,"reason":"maintenance"}}'
curl localhost:9444/faults/1                 # its evidence so far
curl -X DELETE localhost:9444/faults/1       # heals, answers with the evidence
curl -X POST localhost:9444/stop             # ends traffic for good
Targets: open, all, session:7, stream:btcusdt@trade, share:0.3. One of a kind acts at a time.
`

const controlExample = "localhost:9444"

// Control returns the HTTP control API. It is to be served on an address of its
// own, as a client of the exchange has no business there:
//
//	GET    /            what there is, as text, with an example of each
//	GET    /status      how the server is doing
//	GET    /ledger      what was published, and the sessions
//	GET    /faults      the kinds of fault, and the injections so far
//	POST   /faults      begins a fault: {"kind":"stall","target":"open","for":"30s","settings":{}}
//	GET    /faults/{n}  an injection and its evidence
//	DELETE /faults/{n}  ends an injection and answers with its evidence
//	POST   /stop        ends traffic for good
//
// Answers are JSON; what went wrong comes as {"error":"..."}. [Client] is the
// typed client.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.ReplaceAll(controlUsage, controlExample, r.Host)) // the client may have gone
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.status()) })
	mux.HandleFunc("GET /ledger", func(w http.ResponseWriter, _ *http.Request) {
		status := s.ledgerStatus()
		status.Sessions = s.ledger.Sessions()
		reply(w, http.StatusOK, status)
	})
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, faultList{Kinds: Faults(), Injections: s.injectionStatus()})
	})
	mux.HandleFunc("POST /faults", s.postFault)
	mux.HandleFunc("GET /faults/{n}", func(w http.ResponseWriter, r *http.Request) {
		if injection := s.findInjection(w, r); injection != nil {
			reply(w, http.StatusOK, injection.status())
		}
	})
	mux.HandleFunc("DELETE /faults/{n}", func(w http.ResponseWriter, r *http.Request) {
		if injection := s.findInjection(w, r); injection != nil {
			injection.End()
			reply(w, http.StatusOK, injection.status())
		}
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		s.StopPublishing()
		reply(w, http.StatusOK, s.status())
	})
	return mux
}

func (s *Server) postFault(w http.ResponseWriter, r *http.Request) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
	body.DisallowUnknownFields()
	var asked controlFault
	err := body.Decode(&asked)
	if errors.Is(err, io.EOF) {
		err = errors.New(`the body is empty, want {"kind":"stall","for":"30s"} or the like`)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("read fault: %w", err))
		return
	}
	fault := Fault{Kind: asked.Kind, Target: asked.Target, Settings: asked.Settings}
	if asked.For != "" {
		lasts, err := time.ParseDuration(asked.For)
		if err != nil {
			refuse(w, http.StatusBadRequest, fmt.Errorf("read fault: for: %w", err))
			return
		}
		fault.For = lasts
	}
	injection, err := s.Begin(fault)
	switch {
	case errors.Is(err, errClosed):
		refuse(w, http.StatusServiceUnavailable, err)
	case errors.Is(err, errActing):
		refuse(w, http.StatusConflict, err)
	case err != nil:
		refuse(w, http.StatusBadRequest, err)
	default:
		reply(w, http.StatusCreated, injection.status())
	}
}

func (s *Server) findInjection(w http.ResponseWriter, r *http.Request) *Injection {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err == nil {
		if injection := s.faults.get(n); injection != nil {
			return injection
		}
	}
	refuse(w, http.StatusNotFound, fmt.Errorf("no injection %q", r.PathValue("n")))
	return nil
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

func refuse(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}
