package redistest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"countersign.dev/authz/redisstore"
)

// Proxy forwards connections to a server until it swallows everything.
type Proxy struct {
	t        testing.TB
	listener net.Listener

	mu        sync.Mutex
	target    string
	swallowed bool
	open      map[net.Conn]bool
}

// Proxy returns a proxy in front of the server. It ends with the test.
func (s *Server) Proxy() *Proxy {
	s.t.Helper()
	listener, err := new(net.ListenConfig).Listen(s.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	p := &Proxy{t: s.t, listener: listener, target: s.address, open: make(map[net.Conn]bool)}
	done := make(chan struct{})
	go func() { defer close(done); p.serve() }()
	s.t.Cleanup(func() {
		_ = listener.Close() // ends serve
		<-done
		p.closeAll()
	})
	return p
}

// URL is how to reach the server through the proxy.
func (p *Proxy) URL() string { return "redis://" + p.listener.Addr().String() }

// Store returns a new client that goes through the proxy.
func (p *Proxy) Store() *redisstore.Store { return open(p.t, p.URL()) }

// Blackhole makes the network swallow all bytes from now on, of open connections too: nobody is told that nothing
// arrives.
func (p *Proxy) Blackhole() { p.set(true) }

// Heal lets new connections through again. Those from before are closed.
func (p *Proxy) Heal() {
	p.set(false)
	p.closeAll()
}

// Failover leads to another server from now on. Open connections are closed.
func (p *Proxy) Failover(to *Server) {
	p.mu.Lock()
	p.target = to.address
	p.mu.Unlock()
	p.closeAll()
}

func (p *Proxy) set(swallowed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallowed = swallowed
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.keep(client)
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.keep(server)
		go p.forward(server, client)
		go p.forward(client, server)
	}
}

func (p *Proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
}

func (p *Proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close() // it may be closed
		delete(p.open, c)
	}
}

// forward copies until one end closes. What is read while the network swallows is gone.
func (p *Proxy) forward(to io.WriteCloser, from io.Reader) {
	defer func() { _ = to.Close() }() // it may be closed
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		swallowed := p.swallowed
		p.mu.Unlock()
		if swallowed {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
