package trust_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"countersign.dev/authz/trust"
)

const partnerTTS = "https://tts.partner.example"

func TestSubjectPrefixes(t *testing.T) {
	for name, test := range map[string]struct {
		prefixes map[string]string
		refused  bool
	}{
		"no root issuer":           {nil, false},
		"one, without":             {map[string]string{"a": ""}, false},
		"one of two without":       {map[string]string{"a": "", "b": "b:"}, false},
		"both with":                {map[string]string{"a": "a:", "b": "b:"}, false},
		"both without":             {map[string]string{"a": "", "b": ""}, true},
		"the same":                 {map[string]string{"a": "x:", "b": "x:"}, true},
		"one begins the other":     {map[string]string{"a": "x", "b": "xy"}, true},
		"one of three without":     {map[string]string{"a": "", "b": "b:", "c": "c:"}, false},
		"two of three, too alike":  {map[string]string{"a": "", "b": "b:", "c": "b:c:"}, true},
		"two of three without any": {map[string]string{"a": "", "b": "b:", "c": ""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := trust.CheckSubjectPrefixes(test.prefixes); (err != nil) != test.refused {
				t.Error(err)
			}
		})
	}
}

// Whatever subjects two root issuers name, they are never the same to policy.
func TestNoTwoIssuersHaveTheSameUser(t *testing.T) {
	text := rapid.StringMatching(`[ab:]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "prefix"), text.Draw(t, "other prefix")
		if trust.CheckSubjectPrefixes(map[string]string{"a": a, "b": b}) != nil {
			return
		}
		one, other := text.Draw(t, "subject"), text.Draw(t, "other subject")
		reserved := func(prefix, foreign, subject string) bool {
			return prefix == "" && trust.Issuer{ReservedPrefixes: []string{foreign}}.Reserves(subject) != ""
		}
		if a+one == b+other && !reserved(a, b, one) && !reserved(b, a, other) {
			t.Fatalf("%q of %q is %q of %q", one, a, other, b)
		}
	})
}

func TestIssuersWithSubjectPrefixes(t *testing.T) {
	ours := fileIssuer(t, set(t, newKey(t, "ES256", "k")))
	theirs := fileIssuer(t, set(t, newKey(t, "ES256", "k")))
	theirs.Issuer, theirs.SubjectPrefix = partnerTTS, "partner:"
	o := own(t)
	o.Root = trust.OwnRoot{Issuer: "https://begin.acme.example", Keys: own(t).Keys, SubjectPrefix: "desk:"}
	store := newStore(t, o, ours, theirs)
	for iss, reserved := range map[string]string{tts: "desk: partner:", partnerTTS: "", "https://begin.acme.example": "", self: ""} {
		if i, _ := store.Issuer(iss); strings.Join(i.ReservedPrefixes, " ") != reserved {
			t.Errorf("%s may not have %q", iss, i.ReservedPrefixes)
		}
	}
	i, _ := store.Issuer(tts)
	if i.Reserves("partner:alice") != "partner:" || i.Reserves("alice") != "" || i.Reserves("partner") != "" {
		t.Errorf("%+v", i)
	}

	o.Root.SubjectPrefix = ""
	_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{ours, theirs}, o, quiet)
	wantError(t, err, "https://begin.acme.example and "+tts, "may be taken for each other")
	for _, role := range []trust.Role{trust.Hop, trust.Entry} {
		theirs.Role = role
		_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{theirs}, own(t), quiet)
		wantError(t, err, "a subject prefix is for a root issuer")
	}
	// Who only verifies tells them apart by their names.
	theirs.Role, theirs.SubjectPrefix = trust.Root, ""
	ours.ActorTrustDomains, theirs.ActorTrustDomains = acme, acme
	newStore(t, trust.Own{}, ours, theirs)
}
