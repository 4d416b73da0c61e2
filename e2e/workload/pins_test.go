package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var update = flag.Bool("update", false, "write the pinned tools files anew")

// The tools files that Countersign reads are what the servers really offer.
func TestPinnedToolsAreTheServersTools(t *testing.T) {
	for file, server := range map[string]*mcp.Server{
		"demo/tools/crm.json": newCRM(nextHop{}), "demo/tools/ledger.json": newLedger(nextHop{}),
		"federation/partner/tools/archive.json": newArchive(),
	} {
		t.Run(file, func(t *testing.T) {
			got := listTools(t, server)
			file := filepath.Join("..", "stage", filepath.FromSlash(file))
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s is not what the server lists; run with -update (-file +server):\n%s", file, diff)
			}
		})
	}
}

func listTools(t *testing.T, server *mcp.Server) []byte {
	t.Helper()
	ctx := context.Background()
	a, b := mcp.NewInMemoryTransports()
	serving, err := server.Connect(ctx, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer serving.Close()
	client, err := mcp.NewClient(&mcp.Implementation{Name: "pin", Version: "1"}, nil).Connect(ctx, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	list, err := client.ListTools(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{"tools": list.Tools}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
