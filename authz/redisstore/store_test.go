package redisstore_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/redisstore/redistest"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhereTheServerMayBe(t *testing.T) {
	for _, url := range []string{
		"redis://127.0.0.1", "redis://127.0.0.1:7000/3", "redis://user@valkey:6379/0", "redis://[::1]:6379", "rediss://valkey.acme.example", "redis://valkey/",
	} {
		store, err := redisstore.Open(t.Context(), redisstore.Config{URL: url})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := store.Key("revocations", "meta"); got != "countersign:revocations:meta" {
			t.Errorf("the key is %s", got)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	empty := write(t, " \n")
	for name, c := range map[string]redisstore.Config{
		"nothing":                {},
		"a host":                 {URL: "valkey:6379"},
		"http":                   {URL: "http://valkey"},
		"a socket":               {URL: "unix:///run/valkey.sock"},
		"no host":                {URL: "redis:///0"},
		"a password":             {URL: "redis://user:secret@valkey"},
		"a password and no user": {URL: "redis://:secret@valkey"},
		"options":                {URL: "redis://valkey?max_retries=7"},
		"an empty query":         {URL: "redis://valkey?"},
		"a fragment":             {URL: "redis://valkey#0"},
		"a name of a database":   {URL: "redis://valkey/main"},
		"a negative database":    {URL: "redis://valkey/-1"},
		"a database with zeros":  {URL: "redis://valkey/00"},
		"no URL":                 {URL: "redis://user:secret@valkey:port"},
		"a CA without TLS":       {URL: "redis://valkey", CAFile: empty},
		"a CA file without CA":   {URL: "rediss://valkey", CAFile: empty},
		"a missing CA file":      {URL: "rediss://valkey", CAFile: empty + "x"},
		"an empty password":      {URL: "redis://valkey", PasswordFile: empty},
		"a missing password":     {URL: "redis://valkey", PasswordFile: empty + "x"},
		"a password of folders":  {URL: "redis://valkey", PasswordFile: filepath.Dir(empty)},
		"a huge password":        {URL: "redis://valkey", PasswordFile: write(t, strings.Repeat("x", 1<<20))},
		"a prefix with a blank":  {URL: "redis://valkey", Prefix: "a b"},
		"a long prefix":          {URL: "redis://valkey", Prefix: strings.Repeat("x", 65)},
	} {
		store, err := redisstore.Open(t.Context(), c)
		if err == nil || store != nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error has the password: %v", name, err)
		}
	}
}

func TestPasswordsAreReadForEveryConnection(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Store()
	password := write(t, "first\n")
	open := func() *redisstore.Store {
		t.Helper()
		store, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL(), PasswordFile: password, Prefix: "x:"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return store
	}
	store := open()
	if err := admin.ConfigSet(t.Context(), "requirepass", "first").Err(); err != nil {
		t.Fatal(err)
	}
	if err := store.Health(t.Context()); err != nil {
		t.Errorf("with the password: %v", err)
	}
	if store.Key("a") != "x:a" {
		t.Errorf("the key is %s", store.Key("a"))
	}
	if err := admin.ConfigSet(t.Context(), "requirepass", "second").Err(); err != nil {
		t.Fatal(err)
	}
	if err := open().Health(t.Context()); err == nil {
		t.Error("the old password is still good")
	}
	if err := os.WriteFile(password, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open().Health(t.Context()); err != nil {
		t.Errorf("with the new password: %v", err)
	}
}

// tlsFront terminates TLS in front of a server, as stunnel or a service mesh does.
func tlsFront(t *testing.T, server *redistest.Server) (address, ca string) {
	t.Helper()
	certificates := httptest.NewUnstartedServer(nil) // it has a certificate for 127.0.0.1
	certificates.StartTLS()
	t.Cleanup(certificates.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certificates.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			behind, err := new(net.Dialer).DialContext(context.Background(), "tcp", strings.TrimPrefix(server.URL(), "redis://"))
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(behind, client); _ = behind.Close() }()
			go func() { _, _ = io.Copy(client, behind); _ = client.Close() }()
		}
	}()
	ca = write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificates.Certificate().Raw})))
	return listener.Addr().String(), ca
}

func TestTLS(t *testing.T) {
	server := redistest.Start(t)
	address, ca := tlsFront(t, server)
	for _, test := range []struct {
		name string
		c    redisstore.Config
		ok   bool
	}{
		{"with its authority", redisstore.Config{URL: "rediss://" + address, CAFile: ca}, true},
		{"with those of the system", redisstore.Config{URL: "rediss://" + address}, false},
		{"by another name", redisstore.Config{URL: "rediss://localhost" + address[strings.LastIndexByte(address, ':'):], CAFile: ca}, false},
		{"without TLS", redisstore.Config{URL: "redis://" + address}, false},
		{"TLS to a server without", redisstore.Config{URL: strings.Replace(server.URL(), "redis://", "rediss://", 1), CAFile: ca}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, err := redisstore.Open(t.Context(), test.c)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			if err := store.Health(t.Context()); (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("an authority that is gone", func(t *testing.T) {
		store, err := redisstore.Open(t.Context(), redisstore.Config{URL: "rediss://" + address, CAFile: ca})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close() }()
		if err := os.Remove(ca); err != nil {
			t.Fatal(err)
		}
		if err := store.Health(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

// A server that accepts and says nothing is noticed.
func TestAServerThatHangs(t *testing.T) {
	proxy := redistest.Start(t).Proxy()
	store := proxy.Store()
	if err := store.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.Blackhole()
	if err := store.Health(t.Context()); err == nil {
		t.Error("it is said to be well")
	}
	proxy.Heal()
	if err := store.Health(t.Context()); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}
