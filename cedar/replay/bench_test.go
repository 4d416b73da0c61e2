package replay_test

import (
	"testing"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/replay"
)

// BenchmarkRead replays lines that nothing was lost of, lines that lost something, and lines that nobody asks about.
func BenchmarkRead(b *testing.B) {
	before, after := policies(b, ""), policies(b, nothing)
	for name, change := range map[string]func(*audit.Record){
		"whole":   func(*audit.Record) {},
		"inexact": func(r *audit.Record) { r.ProtocolVersion = mcp.Version20251125 },
		"refused": refused("token_expired"),
	} {
		line := log(b, searching(change))
		b.Run(name, func(b *testing.B) {
			r := replay.New(before, after, replay.Options{})
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			b.ResetTimer()
			if err := r.Read(b.Context(), "log", &repeated{text: line, times: b.N}); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
