package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
)

// handshake connects a client to the credentials and returns what the server makes of it.
func handshake(t *testing.T, server credentials.TransportCredentials, client *tls.Config) (resumed bool, err error) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Errorf("connecting: %v", err)
			_ = listener.Close()
			return
		}
		conn := tls.Client(raw, client)
		_, _ = conn.Read(make([]byte, 1)) // shakes hands, takes session tickets, waits for the server's end
		_ = conn.Close()
	}()
	raw, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	conn, info, err := server.ServerHandshake(raw)
	if err != nil {
		return false, err
	}
	_, _ = conn.Write([]byte("x"))
	return info.(credentials.TLSInfo).State.DidResume, nil
}

func TestWhoMayConnect(t *testing.T) {
	ca, evil := newAuthority(t), newAuthority(t)
	leaf, key := ca.issue(t, countersignID, nil)
	c := identityFiles(t, certificatePEM(leaf), keyPEM(t, key), certificatePEM(ca.certificate))
	source, _, err := openIdentity(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := clientMatcher([]string{"spiffe://acme.example/gateway/*"})
	if err != nil {
		t.Fatal(err)
	}
	server := serverCredentials(source, matcher)
	client := func(ca authority, id string, change func(*x509.Certificate)) *tls.Config {
		leaf, key := ca.issue(t, id, change)
		return &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // the test is about the server's side
			NextProtos:         []string{"h2"},
			Certificates:       []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}},
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
	}
	const gateway = "spiffe://acme.example/gateway/eu"
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	anonymous := client(ca, gateway, nil)
	anonymous.Certificates = nil
	old := client(ca, gateway, nil)
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 //nolint:gosec // what must be refused
	envoy := client(ca, gateway, nil)
	envoy.MaxVersion = tls.VersionTLS12 // Envoy's default for upstreams
	for name, test := range map[string]struct {
		client *tls.Config
		want   string // empty: may connect
	}{
		"a gateway":                       {client(ca, gateway, nil), ""},
		"a gateway with TLS 1.2":          {envoy, ""},
		"a gateway with TLS 1.1":          {old, "version"},
		"another workload":                {client(ca, "spiffe://acme.example/planner", nil), "not on the list of clients"},
		"a gateway of nobody's authority": {client(evil, gateway, nil), "could not verify"},
		"a gateway of a foreign domain":   {client(ca, "spiffe://evil.example/gateway/eu", nil), "could not get X509 bundle"},
		"an expired gateway":              {client(ca, gateway, expired), "expired"},
		"nobody":                          {anonymous, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // a session must not be resumed: it would skip the checks
				resumed, err := handshake(t, server, test.client)
				switch {
				case test.want == "" && err != nil:
					t.Fatal(err)
				case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
					t.Fatalf("got %v, want %q", err, test.want)
				case resumed:
					t.Fatal("the session was resumed")
				}
			}
		})
	}
}
