package replay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/replay"
	"countersign.dev/authz/replay/replaytest"
)

func inMemory(_ testing.TB, config replay.Config, since time.Time) replaytest.Guard {
	return replay.NewGuard(config, since)
}

func TestStories(t *testing.T) { replaytest.Stories(t, inMemory) }

func TestTheGuardBehavesLikeItsDescription(t *testing.T) { replaytest.Model(t, inMemory) }

func TestUsesAreForgottenWhenTheyMayBe(t *testing.T) {
	guard := replay.NewGuard(replay.Config{}, replaytest.Start)
	for i := range 20 {
		use := replaytest.Refund
		use.ID, use.Expiry = fmt.Sprint(i), replaytest.Start.Add(time.Duration(20-i)*time.Minute)
		if err := guard.Spend(t.Context(), use, replaytest.Start); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		use := replaytest.Refund
		now := replaytest.Start.Add(time.Duration(i)*time.Minute + replay.Skew)
		use.ID, use.IssuedAt, use.Expiry = fmt.Sprint("late", i), now, now.Add(time.Hour)
		if err := guard.Spend(t.Context(), use, now); err != nil {
			t.Fatal(err)
		}
		if got := guard.Len(); got != 21 {
			t.Fatalf("minute %d: %d uses are remembered, want 21", i, got)
		}
	}
}

// However the clock jumps, no use happens twice.
func TestNoClockMakesAUseHappenTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		guard := replay.NewGuard(replay.Config{}, replaytest.Start)
		happened := make(map[string]bool)
		for i := range rapid.IntRange(1, 80).Draw(t, "steps") {
			now := replaytest.Start.Add(time.Duration(rapid.IntRange(-60, 600).Draw(t, "clock")) * time.Second)
			use := replaytest.Refund
			n := rapid.IntRange(0, 20).Draw(t, "delegation")
			use.ID, use.RequestID = fmt.Sprint(n), fmt.Sprint(i)
			use.IssuedAt = replaytest.Start.Add(time.Duration(n) * 10 * time.Second)
			use.Expiry = use.IssuedAt.Add(time.Minute)
			if !now.Before(use.Expiry) {
				continue
			}
			if guard.Spend(t.Context(), use, now) == nil {
				if happened[use.ID] {
					t.Fatalf("delegation %s was used twice", use.ID)
				}
				happened[use.ID] = true
			}
		}
	})
}

func TestARestartRefusesWhatItCannotKnow(t *testing.T) {
	first := replay.NewGuard(replay.Config{}, replaytest.Start.Add(-time.Minute))
	if err := first.Spend(t.Context(), replaytest.Refund, replaytest.Start); err != nil {
		t.Fatal(err)
	}
	again := replaytest.Refund
	again.RequestID = "stream-2"
	restarted := replay.NewGuard(replay.Config{}, replaytest.Start.Add(time.Millisecond))
	err := restarted.Spend(t.Context(), again, replaytest.Start.Add(time.Second))
	if denial.ReasonOf(err) != denial.ReplayUncertain || !strings.Contains(err.Error(), replay.TooOld) {
		t.Errorf("got %v", err)
	}
}
