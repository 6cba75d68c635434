package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports for subjects are looked for below the range from which systems take
// the local ports of outgoing connections (32768 on Linux, 49152 elsewhere):
// else one of the run's own connections could take the port between the look
// and the subject's own bind.
const (
	portLow   = 20000
	portHigh  = 32000
	portTries = 100 // so many taken in a row means that something else is wrong
)

// freePort returns an address on the loopback interface on which nothing
// listens. Where to look first is left to chance and not to the seed: runs
// side by side on one machine must not look in the same places.
func freePort() (string, error) {
	var last error
	for range portTries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(portLow+rand.IntN(portHigh-portLow)))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			last = err
			continue
		}
		if err := listener.Close(); err != nil {
			return "", fmt.Errorf("release %s: %w", address, err)
		}
		return address, nil
	}
	return "", errors.Join(fmt.Errorf("find a free port: none of %d tried", portTries), last)
}
