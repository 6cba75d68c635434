package fakebinance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"steadfeed/fakebinance/memnet"
)

// testSeed is that of every test here that does not compare seeds.
const testSeed = 7

// patience bounds every wait of a test. It is never waited for unless the test fails.
const patience = 10 * time.Second

func newTestMarket(t testing.TB, rate float64, symbols ...string) *Market {
	t.Helper()
	m, err := NewMarket(MarketOptions{Seed: testSeed, Symbols: symbols, Rate: rate, Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newTestServer makes a server that is closed with the test.
func newTestServer(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Seed == 0 {
		o.Seed = testSeed
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func trusting(t testing.TB, s *Server) *tls.Config {
	t.Helper()
	if s.CertPEM() == nil {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CertPEM()) {
		t.Fatal("no certificate in CertPEM")
	}
	return &tls.Config{RootCAs: pool}
}

// testClient is a websocket client that looks at every frame.
type testClient struct {
	t testing.TB
	*websocket.Conn
}

func dial(t testing.TB, s *Server, path string) *testClient {
	t.Helper()
	return dialOver(t, s, path, nil)
}

// dialOver dials over a network of the test's, nil for the real one.
func dialOver(t testing.TB, s *Server, path string, network *memnet.Network) *testClient {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: trusting(t, s)}
	if network != nil {
		dialer.NetDialContext = network.Dial
	}
	conn, response, err := dialer.Dial(s.WebSocketURL()+path, nil)
	if err != nil {
		t.Fatalf("dial %s: %v (%v)", path, err, response)
	}
	t.Cleanup(func() { conn.Close() })
	return &testClient{t, conn}
}

// next returns the next text frame.
func (c *testClient) next() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	_, frame, err := c.ReadMessage()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return string(frame)
}

// ask sends a request and returns the answer, which is the next frame that is
// no trade.
func (c *testClient) ask(request string) string {
	c.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(request)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
	for {
		if frame := c.next(); !strings.Contains(frame, `"e":"trade"`) {
			return frame
		}
	}
}

// end reads until the connection ends and returns why it did.
func (c *testClient) end() error {
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			return err
		}
	}
}

// receivedTrade is a frame as an independent decoder sees it: by a map, which
// keeps m and M, e and E, t and T apart.
type receivedTrade struct {
	symbol, price, quantity string
	id, tradedAt, eventAt   int64
	buyerIsMaker            bool
}

func decodeTrade(t testing.TB, frame string) receivedTrade {
	t.Helper()
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(frame))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		t.Fatalf("decode %s: %v", frame, err)
	}
	if inner, ok := fields["data"]; ok {
		fields = inner.(map[string]any)
	}
	number := func(name string) int64 {
		n, err := fields[name].(json.Number).Int64()
		if err != nil {
			t.Fatalf("decode %s: %s: %v", frame, name, err)
		}
		return n
	}
	return receivedTrade{
		symbol: fields["s"].(string), price: fields["p"].(string), quantity: fields["q"].(string),
		id: number("t"), tradedAt: number("T"), eventAt: number("E"), buyerIsMaker: fields["m"].(bool),
	}
}

// get makes a REST request.
func get(t testing.TB, s *Server, path string, header ...string) (*http.Response, string) {
	t.Helper()
	return getOver(t, s, nil, path, header...)
}

// getOver makes it over a network of the test's, nil for the real one.
func getOver(t testing.TB, s *Server, network *memnet.Network, path string, header ...string) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: trusting(t, s), DisableKeepAlives: true}
	if network != nil {
		transport.DialContext = network.Dial
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.RESTURL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("get %s: %v", path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("get %s: %v", path, err)
	}
	return response, string(body)
}

// eventually waits until condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}
