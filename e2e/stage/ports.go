package stage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports are below those that systems give to outgoing connections (32768 and up on Linux, 49152 and up elsewhere):
// one of those could be taken by a connection before the program that it is for listens.
const (
	lowestPort  = 15_000
	highestPort = 32_000
	portTries   = 1_000
)

// FreePorts returns n different loopback ports that nobody listens on. All are held until the last is known, so that no
// two are the same.
func FreePorts(ctx context.Context, n int) ([]int, error) {
	ports := make([]int, 0, n)
	var err error
	for range portTries {
		if len(ports) == n {
			return ports, nil
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort) //nolint:gosec // nobody is to be kept from guessing it
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			continue
		}
		defer l.Close() //nolint:errcheck // nobody connected to it
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("looking for %d free ports: found %d: %w", n, len(ports), err)
}
