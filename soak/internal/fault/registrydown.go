package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// KindRegistry is trouble of the schema registry.
const KindRegistry = "registry"

// registryDown takes the schema registry off the network; it keeps what it
// knows. A subject that has its schema needs no registry, so nothing of this
// may be seen from outside.
var registryDown = Fault{Name: "registry-down", Kind: KindRegistry, draw: func(rng *rand.Rand, _ timing) soak.Injection {
	in := machineTrouble(seconds(rng, 10, 30), 2*time.Second, 0)
	in.Disturbance.Settle, in.Disturbance.Alerts = soak.Duration(3*time.Second), nil
	return in
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	registry, err := bed.Part(context.Background(), "registry")
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	restore, err := registry.CutOff()
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	return hold(in.For.D(), func() fakebinance.Evidence {
		away := ask(bed.Store.RegistryURL())
		if err := restore(); err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("not restored: %v", err)}
		}
		return fakebinance.Evidence{Proven: away != nil, Text: fmt.Sprintf("asked, it answered: %v", away)}
	}), nil
}}

// registryAnswers is how long a registry that is there takes at most.
const registryAnswers = 2 * time.Second

// ask returns what keeps a registry from answering.
func ask(url string) error {
	client := http.Client{Timeout: registryAnswers, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url + "/subjects")
	if err != nil {
		return err
	}
	return response.Body.Close()
}
