package mcp_test

import (
	"fmt"
	"strings"
	"testing"

	"countersign.dev/authz/mcp"
)

func BenchmarkRead(b *testing.B) {
	var fields []string
	for i := range 16 {
		fields = append(fields, fmt.Sprintf(`"field_%02d":{"id":%d,"text":"some text of a case"}`, i, i))
	}
	small := rpc("tools/call", meta+`,"name":"update_case","arguments":{`+strings.Join(fields, ",")+`}`)
	var rows []string
	for i := range 9000 {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"amount":%d.25,"text":"an entry of the ledger, with words \u00e4nd some \"quotes\"","ok":true}`, i, i))
	}
	large := rpc("tools/call", meta+`,"name":"update_case","arguments":{"rows":[`+strings.Join(rows, ",")+`]}`)
	blob := rpc("tools/call", meta+`,"name":"update_case","arguments":{"data":"`+strings.Repeat("QUJD", 260_000)+`"}`)
	for _, bench := range []struct{ name, body string }{
		{"tools_call_1KiB", small}, {"rows_1MiB", large}, {"blob_1MiB", blob},
	} {
		b.Run(bench.name, func(b *testing.B) {
			req := send(bench.body, modern("tools/call", "update_case"))
			b.SetBytes(int64(len(bench.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mcp.Read(req, mcp.Rules{MaxBody: 2 << 20}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHostile has bodies that are made to cost more than they look.
func BenchmarkHostile(b *testing.B) {
	var names strings.Builder
	for i := range mcp.MaxElements {
		fmt.Fprintf(&names, `"name_%d":0,`, i)
	}
	for _, bench := range []struct{ name, body string }{
		{"ten thousand names", rpc("tools/call", `"name":"a","arguments":{`+strings.TrimSuffix(names.String(), ",")+`}`)},
		{"brackets", strings.Repeat("[", 1<<20)},
		{"backslashes", `{"a":"` + strings.Repeat(`\\`, 1<<19) + `"}`},
		{"surrogates", `{"a":"` + strings.Repeat(`\ud83d\ude00`, 1<<16) + `"}`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			req := send(bench.body)
			b.SetBytes(int64(len(bench.body)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = mcp.Read(req, mcp.Rules{MaxBody: 2 << 20})
			}
		})
	}
}
