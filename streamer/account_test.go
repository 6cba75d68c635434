package streamer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
)

// figures are all samples of one look at the metrics, by series, and summed up
// by name.
func (n *node) figures() map[string]float64 {
	_, body := n.get("/metrics")
	all := map[string]float64{}
	for line := range strings.Lines(body) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		var value float64
		if _, err := fmt.Sscan(line[at:], &value); err != nil {
			continue
		}
		all[line[:at]] = value
		if name, _, labelled := strings.Cut(line[:at], "{"); labelled {
			all[name] += value
		}
	}
	return all
}

// account holds what was admitted against what became of it, at an instant at
// which nothing is being computed, and returns how many trades were in hand.
func (n *node) account() (held, inFlight, failed float64) {
	n.rig.t.Helper()
	synctest.Wait()
	all := n.figures()
	admitted, visible := all[`streamer_trades_total{outcome="admitted"}`], all["kafka_messages_produced_total"]
	held, inFlight, failed = all["streamer_held_trades"], all["streamer_records_in_flight"], all["kafka_produce_errors_total"]
	if admitted != held+inFlight+visible+failed {
		n.rig.t.Fatalf("%v admitted, but %v held, %v in flight, %v visible, %v failed: %v remain; the log:\n%s",
			admitted, held, inFlight, visible, failed, admitted-held-inFlight-visible-failed, n.rig.log)
	}
	return held, inFlight, failed
}

// Every trade that came off a stream was admitted, a duplicate, or deferred.
func TestEveryTradeIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 100})
		r.start()
		injection, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindRepeat, For: 20 * time.Second})
		r.must(err)
		for range 100 {
			time.Sleep(211 * time.Millisecond)
			r.account()
			if all := r.figures(); all["streamer_trades_total"] != all[`streamer_frames_total{kind="trade"}`] || all["streamer_trades_total"] != all["binance_messages_received_total"] {
				t.Fatalf("%v trades are accounted for, of %v frames and %v received", all["streamer_trades_total"],
					all[`streamer_frames_total{kind="trade"}`], all["binance_messages_received_total"])
			}
		}
		<-injection.Done()
		if r.metric(`streamer_trades_total{outcome="duplicate"}`) == 0 {
			t.Error("there was no duplicate; the test shows little")
		}
		if most := r.exchange.MostRESTWeight(); most > 20 {
			t.Errorf("%d request weight: trades came from the history, and the streams do not explain the total", most)
		}
		r.finish(10 * time.Second)
	})
}

// What was admitted is held, in flight, visible or failed, at every instant,
// however often Kafka is lost, or the partition to another, and whatever was
// in hand then.
func TestAccountThroughOwnerships(t *testing.T) {
	f := func(delivery Delivery) {
		t.Run(string(delivery), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{rate: 30, config: func(c *Config) { c.InstanceID, c.Delivery = "one", delivery }})
				r.repeats = delivery == AtLeastOnce
				r.start()
				r.second("two")
				jitter := rand.New(rand.NewPCG(7, 7))
				var held, inFlight, failed float64
				look := func(times int) {
					for range times {
						time.Sleep(17*time.Millisecond + time.Duration(jitter.Int64N(int64(200*time.Millisecond))))
						for _, n := range r.nodes {
							h, flying, lost := n.account()
							held, inFlight, failed = max(held, h), max(inFlight, flying), max(failed, lost)
						}
					}
				}
				for round := range 6 {
					look(20)
					r.takeAway(restAddr) // so that trades are held
					reset, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindReset})
					r.must(err)
					reset.End()
					look(40)
					r.restarted()
					if round%2 == 0 {
						r.takeAway(brokerAddr)
						look(10 + jitter.IntN(120)) // until the brokers give up the transaction, or not
						r.bringBack(brokerAddr)
					} else {
						heal := r.nodes[round/2%2].stall(brokerAddr)
						look(120) // until the other has taken over
						heal()
					}
					r.restarted()
					look(jitter.IntN(40))
					r.bringBack(restAddr)
					look(60)
				}
				if held == 0 || inFlight == 0 || failed == 0 {
					t.Errorf("at most %v were held, %v in flight, %v failed; the test shows little", held, inFlight, failed)
				}
				r.exchange.StopPublishing()
				r.waitFor("caught up", time.Minute, r.caughtUp)
				for _, n := range r.nodes {
					if held, inFlight, _ := n.account(); held != 0 || inFlight != 0 {
						t.Errorf("%v held and %v in flight in the end", held, inFlight)
					}
				}
				r.finish(time.Minute)
			})
		})
	}
	f(ExactlyOnce)
	f(AtLeastOnce)
}
