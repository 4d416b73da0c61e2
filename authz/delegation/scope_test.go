package delegation_test

import (
	"strconv"
	"strings"
	"testing"

	"countersign.dev/authz/delegation"
)

func TestParseScope(t *testing.T) {
	items := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = "mcp:crm:t" + strconv.Itoa(i)
		}
		return strings.Join(list, " ")
	}
	for text, ok := range map[string]bool{
		"":                                    true,
		"mcp:crm:refund_case":                 true,
		"mcp:crm:*":                           true,
		"mcp:crm:a mcp:ledger:b":              true,
		"mcp:crm:ns:tool":                     true, // a tool may have a colon in its name
		"mcp:crm:a/b.c-d":                     true,
		items(64):                             true,
		items(65):                             false,
		" mcp:crm:a":                          false,
		"mcp:crm:a ":                          false,
		"mcp:crm:a\tmcp:crm:b":                false,
		"mcp:crm":                             false,
		"mcp:crm:":                            false,
		"mcp::a":                              false,
		"mcp:*:a":                             false,
		"mcp:crm:a*":                          false,
		"mcp:crm:**":                          false,
		"MCP:crm:a":                           false,
		"mcp:crm:\"a\"":                       false,
		"mcp:crm:\\a":                         false,
		"mcp:crm:é":                           false,
		"mcp:crm:a\n":                         false,
		"openid":                              false,
		"mcp:crm:a mcp:crm:a":                 false,
		"mcp:crm:" + sha256Text("x")[:9]:      true,
		"mcp:crm:" + strings.Repeat("x", 257): false,
	} {
		scope, err := delegation.ParseScope(text)
		if (err == nil) != ok {
			t.Errorf("%.40q: got %v", text, err)
		}
		if err == nil && scope.String() != text {
			t.Errorf("%.40q became %.40q", text, scope)
		}
	}
}

func TestScopeCovers(t *testing.T) {
	scope, err := delegation.ParseScope("mcp:crm:refund mcp:ledger:* mcp:crm:ns:tool")
	if err != nil {
		t.Fatal(err)
	}
	for item, want := range map[string]bool{
		"mcp:crm:refund":     true,
		"mcp:crm:Refund":     false,
		"mcp:crm:refund2":    false,
		"mcp:crm:refun":      false,
		"mcp:crm:*":          false,
		"mcp:ledger:read":    true,
		"mcp:ledger:a b":     true, // a name that no item can have is covered by the wildcard
		"mcp:ledger:*":       true,
		"mcp:ledger2:read":   false,
		"mcp:ledger:ns:tool": true,
		"mcp:crm:ns:tool":    true,
		"mcp:crm:ns":         false,
		"mcp:ledger:":        false,
		"mcp:ledger":         false,
		"ledger:read":        false,
		"":                   false,
	} {
		if got := scope.Covers(item); got != want {
			t.Errorf("Covers(%q) is %t", item, got)
		}
	}
	if delegation.Scope(nil).Covers("mcp:crm:refund") {
		t.Error("an empty scope covers something")
	}
}
