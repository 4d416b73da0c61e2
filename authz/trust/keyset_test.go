package trust_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/trust"
)

func TestKeysOfOtherSigners(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signers.jwks.json")
	write(t, file, set(t, newKey(t, "EdDSA", "b"), newKey(t, "ES256", "a")))
	keys, err := trust.LoadKeySet(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || keys[0].KeyID != "a" || keys[0].Algorithm != "ES256" || keys[1].KeyID != "b" || keys[1].Algorithm != string(jose.EdDSA) {
		t.Errorf("got %+v", keys)
	}
	for name, text := range map[string]string{
		"not a JWK Set": "[]",
		"no keys":       `{"keys": []}`,
		"private key":   `{"keys": [{"kty":"OKP","crv":"Ed25519","kid":"x","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`,
	} {
		write(t, file, text)
		if _, err := trust.LoadKeySet(file); err == nil || !strings.Contains(err.Error(), "public keys: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := trust.LoadKeySet(file + ".gone"); err == nil {
		t.Error("a file that is not there was read")
	}
}
