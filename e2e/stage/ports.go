package stage

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// freePorts returns n different loopback ports that nobody listens on. All are held until the last is known, so that no
// two are the same.
func freePorts(ctx context.Context, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close()
		address, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		ports = append(ports, int(address.Port()))
	}
	return ports, nil
}
