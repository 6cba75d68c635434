package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"steadfeed/streamer/schema"
)

// Which answers of the registry are worth another try, and why.
func TestRetryable(t *testing.T) {
	f := func(status, code int, want bool) {
		t.Helper()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"error_code":%d,"message":"because"}`, code)
		}))
		defer server.Close()
		client, err := sr.NewClient(sr.URLs(server.URL))
		if err != nil {
			t.Fatal(err)
		}
		e, err := NewEncoder(client, 1, func() {})
		if err != nil {
			t.Fatal(err)
		}
		err = e.Prepare(context.Background(), "trades-value")
		if err == nil || errors.Is(err, ErrRefused) == want || !strings.Contains(err.Error(), "trades-value") {
			t.Errorf("%d %d: %v, worth another try: want %v", status, code, err, want)
		}
	}
	f(409, 409, false)      // incompatible
	f(422, 42201, false)    // not a valid schema
	f(422, 42205, true)     // read-only mode
	f(401, 40101, true)     // the password may be replaced
	f(403, 40301, true)     // so may rights
	f(404, 404, true)       // not the registry's: a proxy, a wrong path
	f(500, 50001, true)     // its store is away
	f(503, 0, true)         // starting
	f(429, 42901, true)     // busy
	if !retryable(io.EOF) { // no answer
		t.Error("a connection that broke is worth another try")
	}
}

// A schema of another shape under the subject is refused; a compatible one, or
// none, is not; and asking registers nothing.
func TestCompatible(t *testing.T) {
	client, _ := registry(t)
	ctx := context.Background()
	subject := schema.Subject("trades")
	if registered, err := Compatible(ctx, client, subject); registered || err != nil {
		t.Errorf("of an empty registry: %v, %v", registered, err)
	}
	if list, err := client.Subjects(ctx); err != nil || len(list) != 0 {
		t.Errorf("asking registered %v, %v", list, err)
	}
	e, err := NewEncoder(client, 1, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Prepare(ctx, subject); err != nil {
		t.Fatal(err)
	}
	if registered, err := Compatible(ctx, client, subject); !registered || err != nil {
		t.Errorf("of a registered schema: %v, %v", registered, err)
	}
	// The fake judges nothing, so what a registry says of another shape is
	// put in front of it.
	fake := srfake.NewRegistry()
	defer fake.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.URL.Path, "/compatibility/") {
			_, _ = io.WriteString(w, `{"is_compatible":false,"messages":["READER_FIELD_MISSING_DEFAULT_VALUE: symbol"]}`)
			return
		}
		fake.Handler().ServeHTTP(w, q)
	}))
	defer server.Close()
	strict, err := sr.NewClient(sr.URLs(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compatible(ctx, strict, subject); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "READER_FIELD_MISSING") {
		t.Errorf("of a subject with another schema: %v", err)
	}
}
