package streamer

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Once the schema's id is known, trades go on without the registry, whatever
// else happens; only the start of a process needs it, waits for it, and then
// goes on where Kafka says.
func TestRegistryAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 50, config: func(c *Config) { c.InstanceID, c.RotationInterval = "one", time.Minute }})
		r.start()
		two := r.second("two")
		time.Sleep(10 * time.Second)
		r.takeAway(registryAddr)
		longest := r.pauses()
		time.Sleep(5 * time.Minute)
		if code, why := r.get("/readyz"); code != http.StatusOK {
			t.Errorf("not ready without the registry: %s", why)
		}
		if pause := longest(); pause > 2*time.Second {
			t.Errorf("a pause of %v", pause)
		}
		// Owners begin anew, here and at the other.
		r.takeAway(brokerAddr)
		time.Sleep(20 * time.Second)
		r.bringBack(brokerAddr)
		r.waitFor("ready again", 30*time.Second, func() bool { return r.ready() || two.ready() })
		if two.ready() {
			r.node, two = two, r.node
		}
		time.Sleep(10 * time.Second)
		r.kill()
		r.waitFor("the other ready", 10*time.Second, two.ready)
		time.Sleep(10 * time.Second)

		// Nobody is left who knows the id.
		one := r.node
		two.kill()
		one.startStreamer()
		time.Sleep(5 * time.Minute)
		if code, why := one.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(why, "registry") {
			t.Errorf("readyz = %d %s, want 503 naming the registry", code, why)
		}
		if code, why := one.get("/healthz"); code != http.StatusOK {
			t.Errorf("a restart would not bring the registry back, but: %d %s", code, why)
		}
		r.bringBack(registryAddr)
		r.waitFor("ready", 30*time.Second, one.ready)
		time.Sleep(10 * time.Second)
		if lost := one.metric("binance_trades_lost_total"); lost != 0 {
			t.Errorf("%v trades are declared lost", lost)
		}
		r.finish(time.Minute)
	})
}
