package fault

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// KindSingle are the injections of the runs that do one fault and nothing else;
// schedules in virtual time draw them too.
const KindSingle = "single"

// Case is one fault as a run of its own does it.
type Case struct {
	Name    string   // of the fault, with what is special about it
	Rate    float64  // trades a second and symbol; 0: as all
	Symbols int      // beside those of all
	Hosts   []string // names of the exchange that the subject is told, best first; nil: one
	soak.Injection
}

// Cases are all faults of the exchange, one by one. Where a fault shows only
// in company (who refuses connections disturbs nobody who has one; REST is
// asked only when something is missing) the company is named.
func Cases() []Case {
	var all []Case
	add := func(name, kind, target string, lasts time.Duration, settings map[string]string, also *soak.Injection) {
		all = append(all, Case{Name: name, Injection: soak.Injection{
			Name: "1-" + kind, Fault: kind, Kind: KindSingle, Target: target, For: soak.Duration(lasts), Settings: settings, Also: also,
			Disturbance: soak.Disturbance{Pause: soak.Duration(lasts + singleSettle), Reconnects: maxSingleReconnects, Settle: soak.Duration(singleSettle)},
		}})
	}
	type set = map[string]string
	const open, every = fakebinance.TargetOpen, fakebinance.TargetAll
	cut := func(after time.Duration) *soak.Injection {
		return &soak.Injection{Name: "company", Fault: fakebinance.KindReset, Kind: KindSingle, Target: open, At: soak.Duration(after), For: soak.Duration(time.Second)}
	}
	gaps := &soak.Injection{Name: "company", Fault: fakebinance.KindGap, Kind: KindSingle, Target: every, For: soak.Duration(30 * time.Second)}

	add("reset", fakebinance.KindReset, open, time.Second, nil, nil)
	add("reset, again and again", fakebinance.KindReset, every, time.Minute, set{"within": "3s"}, nil)
	add("silent-close", fakebinance.KindSilentClose, open, time.Second, nil, nil)
	add("close 1001", fakebinance.KindClose, open, time.Second, nil, nil)
	add("close 1008", fakebinance.KindClose, open, time.Second, set{"code": "1008", "reason": "maintenance"}, nil)
	for _, notice := range []time.Duration{0, 10 * time.Second, 10 * time.Minute} {
		add(fmt.Sprintf("server-shutdown, notice %s", notice), fakebinance.KindServerShutdown, open, notice+5*time.Second, set{"notice": notice.String()}, nil)
	}
	add("disconnect of all of several sessions at once", fakebinance.KindReset, open, time.Second, nil, nil)
	all[len(all)-1].Symbols, all[len(all)-1].Rate = manySymbols, 1
	add("refuse", fakebinance.KindRefuse, open, 30*time.Second, nil, cut(0))
	add("refuse one URL of two", fakebinance.KindRefuse, open, 30*time.Second, set{"host": "localhost"}, cut(0))
	all[len(all)-1].Hosts = []string{"localhost", "127.0.0.1"}
	add("mute", fakebinance.KindMute, open, time.Minute, nil, cut(0))
	add("tls-cut", fakebinance.KindTLSCut, open, 30*time.Second, nil, cut(0))
	for _, as := range []string{fakebinance.CertificateExpired, fakebinance.CertificateSelfSigned, fakebinance.CertificateWrongName, fakebinance.CertificateUnknownAuthority} {
		add("certificate "+as, fakebinance.KindCertificate, open, 30*time.Second, set{"as": as}, cut(0))
	}
	add("certificate expires while running", fakebinance.KindCertificate, open, time.Minute, set{"as": fakebinance.CertificateExpiring, "life": "20s"}, cut(30*time.Second))
	for _, status := range []string{"403", "418", "429", "451", "503"} {
		add("handshake-status "+status, fakebinance.KindHandshakeStatus, open, 20*time.Second, set{"status": status, "retry_after": "30"}, cut(0))
	}
	add("stall 10s, then a burst", fakebinance.KindStall, open, 10*time.Second, nil, nil)
	add("stall", fakebinance.KindStall, open, 2*time.Minute, nil, nil)
	add("half-open, client hears nothing", fakebinance.KindHalfOpen, open, 2*time.Minute, nil, nil)
	add("half-open, server hears nothing", fakebinance.KindHalfOpen, open, 3*time.Minute, set{"dead": "in"}, nil)
	add("slow-bytes", fakebinance.KindSlowBytes, open, time.Minute, nil, nil)
	add("slow-frames", fakebinance.KindSlowFrames, open, time.Minute, nil, nil)
	add("byte-by-byte", fakebinance.KindByteByByte, open, time.Minute, set{"writes": "50"}, nil)
	add("fragments", fakebinance.KindFragments, open, time.Minute, nil, nil)
	for _, as := range []string{"binary", "bad-utf8", "truncated", "malformed", "wrong-type", "missing-field", "extra-field", "zero-price"} {
		add("garble "+as, fakebinance.KindGarble, open, time.Minute, set{"as": as}, nil)
	}
	add("garble oversize", fakebinance.KindGarble, open, time.Minute, set{"as": "oversize", "every": "100"}, nil)
	add("repeat", fakebinance.KindRepeat, open, time.Minute, nil, nil)
	add("swap", fakebinance.KindSwap, open, time.Minute, nil, nil)
	add("delay", fakebinance.KindDelay, open, time.Minute, nil, nil)
	add("gap", fakebinance.KindGap, open, time.Minute, nil, nil)
	add("lost for REST too", fakebinance.KindLost, every, time.Minute, set{"every": "100"}, nil)
	add("silent-stream", fakebinance.KindSilentStream, open, 2*time.Minute, nil, nil)
	add("silent, pongs go on", fakebinance.KindSilent, open, 2*time.Minute, nil, nil)
	add("no-pong", fakebinance.KindNoPong, open, 5*time.Minute, nil, nil)
	add("wrong-pong", fakebinance.KindWrongPong, open, 5*time.Minute, nil, nil)
	add("ping-storm", fakebinance.KindPingStorm, open, 5*time.Second, nil, nil)
	add("ping-flood", fakebinance.KindPingFlood, open, 30*time.Second, nil, nil)
	add("clock an hour fast", fakebinance.KindClock, open, time.Minute, nil, gaps)
	add("halt", fakebinance.KindHalt, open, 2*time.Minute, nil, nil)
	for _, trades := range []string{"160", "1000"} {
		add("burst of "+trades, fakebinance.KindBurst, open, time.Minute, set{"trades": trades}, nil)
		all[len(all)-1].Rate = 100 // or it would be gathered for so long that the stream counts as dead
	}
	for _, status := range []string{"403", "418", "429", "451", "503"} {
		add("rest-status "+status, fakebinance.KindRESTStatus, open, 20*time.Second, set{"status": status, "retry_after": "30"}, gaps)
	}
	add("rest-slow", fakebinance.KindRESTSlow, open, time.Minute, nil, gaps)
	add("rest-shift", fakebinance.KindRESTShift, open, 30*time.Second, nil, gaps)
	add("rest-lag", fakebinance.KindRESTLag, open, time.Minute, nil, gaps)
	return all
}

// singles are the cases as a schedule in virtual time draws them: long enough
// for a quiet market to show them. The loss of a trade that nobody could have is
// left out, for it is no success, and so is what needs another market or
// exchange than the plan's, such as a burst.
func singles(t timing) (faults []Fault) {
	for _, c := range Cases() {
		if c.Fault == fakebinance.KindLost || c.Rate > 0 || c.Symbols > 0 || c.Hosts != nil {
			continue
		}
		faults = append(faults, Fault{Name: KindSingle + " " + c.Name, Kind: KindSingle, draw: func(*rand.Rand, timing) soak.Injection {
			in := c.Injection
			longer := soak.Duration(t.silence)
			if in.For > soak.Duration(time.Second) { // what is over at once needs no trade
				in.For += longer
				in.Disturbance.Pause += longer
			}
			in.Settings = oftener(in.Fault, in.Settings)
			if in.Fault == fakebinance.KindNoPong || in.Fault == fakebinance.KindWrongPong {
				in.Target = fakebinance.TargetAll // see noPongAtAll; these last long enough
			}
			if in.Also != nil && in.Also.Fault == fakebinance.KindGap {
				also := *in.Also
				also.For += longer
				also.Settings = oftener(also.Fault, also.Settings)
				in.Also = &also
			}
			return grant(in, t.silence+barred[in.Settings["status"]])
		}})
	}
	return faults
}

// oftener has a fault that spoils one trade in so many spoil one in a few, where
// there are not many.
func oftener(kind string, settings map[string]string) map[string]string {
	const one = "every"
	for _, k := range fakebinance.Faults() {
		if k.Name == kind && slices.ContainsFunc(k.Settings, func(s fakebinance.FaultSetting) bool { return s.Name == one }) {
			settings = maps.Clone(settings)
			if settings == nil {
				settings = map[string]string{}
			}
			settings[one] = "5"
		}
	}
	return settings
}

// barred is how long a status of the exchange tells everybody to stay away,
// whatever Retry-After says: the shortest ban that Binance documents is two
// minutes, and a client that is told it may not come at all had better not ask
// each second.
var barred = map[string]time.Duration{"418": 2 * time.Minute, "429": 2 * time.Minute, "403": time.Minute, "451": time.Minute}

const (
	// manySymbols take a client that keeps its URL below what was seen to work,
	// 8004 characters, more than one session: their streams have 18 each.
	manySymbols = 600
	// singleSettle is for the longest repair: a history that was away and has
	// asked to be left alone.
	singleSettle = time.Minute
	// maxSingleReconnects is more than any case brings about.
	maxSingleReconnects = 100
)

// knownSingle tells whether a run of one fault may have this one.
func knownSingle(name string) bool {
	return slices.ContainsFunc(fakebinance.Faults(), func(k fakebinance.FaultKind) bool { return k.Name == name })
}
