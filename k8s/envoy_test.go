package k8s_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	meshconfig "istio.io/api/mesh/v1alpha1"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
	networkingv1alpha3 "istio.io/client-go/pkg/apis/networking/v1alpha3"
	securityv1 "istio.io/client-go/pkg/apis/security/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// maxRequestBytes is more than the largest body that Countersign takes, so that one that Envoy cut off there is too
// large for Countersign as well.
const maxRequestBytes = 1<<20 + 4<<10

const extAuthz = "envoy.filters.http.ext_authz"

// wantExtAuthz is what every Envoy in front of an MCP backend must have; the rest may differ.
var wantExtAuthz = map[string]any{
	"failure_mode_allow":       false,
	"status_on_error":          map[string]any{"code": "ServiceUnavailable"},
	"include_peer_certificate": true,
	"encode_raw_headers":       true,
	"validate_mutations":       true,
	"with_request_body": map[string]any{
		"max_request_bytes": float64(maxRequestBytes), "allow_partial_message": false, "pack_as_bytes": true,
	},
}

// node is part of a decoded YAML document.
type node = map[string]any

func bootstrapText(t *testing.T) string {
	t.Helper()
	return find[*corev1.ConfigMap](t, render(t, "overlays/envoy"), "mcp", "gateway-").Data["envoy.yaml"]
}

func readBootstrap(t *testing.T) node {
	t.Helper()
	var bootstrap node
	if err := yaml.Unmarshal([]byte(bootstrapText(t)), &bootstrap); err != nil {
		t.Fatal(err)
	}
	return bootstrap
}

// named returns all mappings with a name, in whatever place.
func named(in any, name string) []node {
	var found []node
	switch in := in.(type) {
	case node:
		if in["name"] == name {
			found = append(found, in)
		}
		for _, v := range in {
			found = append(found, named(v, name)...)
		}
	case []any:
		for _, v := range in {
			found = append(found, named(v, name)...)
		}
	}
	return found
}

func TestEnvoyFailsClosed(t *testing.T) {
	filters := named(readBootstrap(t), extAuthz)
	if len(filters) != 1 {
		t.Fatalf("%d ext_authz filters", len(filters))
	}
	config := filters[0]["typed_config"].(node)
	got := node{}
	for key := range wantExtAuthz {
		got[key] = config[key]
	}
	if diff := cmp.Diff(wantExtAuthz, got); diff != "" {
		t.Errorf("ext_authz (-want +got):\n%s", diff)
	}
}

func TestEnvoyFindsAndRecognisesEveryReplica(t *testing.T) {
	bootstrap, objects := readBootstrap(t), render(t, "overlays/envoy")
	service := find[*corev1.Service](t, objects, "countersign", "countersign-grpc")
	d := find[*appsv1.Deployment](t, objects, "countersign", "countersign")
	cluster := named(bootstrap["static_resources"].(node)["clusters"], "countersign")[0]
	if !contains(cluster, service.Name+"."+service.Namespace+".svc.cluster.local") {
		t.Error("the cluster is not the headless Service")
	}
	if !contains(cluster, float64(service.Spec.Ports[0].Port)) {
		t.Error("the cluster has another port than the Service")
	}
	if !contains(cluster, spiffeID("acme.example", d)) {
		t.Error("the cluster would talk to somebody else than Countersign")
	}
	gateway := find[*appsv1.Deployment](t, objects, "mcp", "gateway")
	if n := len(named(bootstrap, spiffeID("acme.example", gateway))); n != 2 {
		t.Errorf("the gateway's SVID is asked for %d times, want 2: by its listener and by its cluster", n)
	}
}

// contains says whether a value is somewhere in a document.
func contains(in, value any) bool {
	switch in := in.(type) {
	case node:
		for _, v := range in {
			if contains(v, value) {
				return true
			}
		}
	case []any:
		for _, v := range in {
			if contains(v, value) {
				return true
			}
		}
	default:
		return in == value
	}
	return false
}

func TestEnvoyAcceptsTheBootstrap(t *testing.T) { validate(t, bootstrapText(t)) }

// What Istio merges into its filter must be fields that Envoy knows.
func TestEnvoyAcceptsWhatTheEnvoyFilterMerges(t *testing.T) {
	filter := find[*networkingv1alpha3.EnvoyFilter](t, render(t, "overlays/istio"), "mcp", "crm-countersign")
	if n := len(filter.Spec.ConfigPatches); n != 1 {
		t.Fatalf("%d patches, want one", n)
	}
	merged := filter.Spec.ConfigPatches[0].Patch.Value.AsMap()["typed_config"].(node)
	for _, field := range []string{"include_peer_certificate", "encode_raw_headers", "validate_mutations"} {
		if merged[field] != true {
			t.Errorf("%s is not set", field)
		}
	}
	bootstrap := readBootstrap(t)
	config := named(bootstrap, extAuthz)[0]["typed_config"].(node)
	for key := range wantExtAuthz {
		delete(config, key)
	}
	for key, value := range merged {
		config[key] = value
	}
	text, err := yaml.Marshal(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	validate(t, string(text))
}

// validate has Envoy itself read a bootstrap.
func validate(t *testing.T, bootstrap string) {
	t.Helper()
	envoy := os.Getenv("COUNTERSIGN_ENVOY")
	if envoy == "" {
		t.Fatal("COUNTERSIGN_ENVOY is not set: it must name an Envoy binary (make test-k8s sets it)")
	}
	path := filepath.Join(t.TempDir(), "envoy.yaml")
	write(t, path, bootstrap)
	run(t, envoy, "--mode", "validate", "-l", "error", "-c", path)
}

func TestIstioProviderIsTheOneThePolicyNames(t *testing.T) {
	objects := render(t, "overlays/istio")
	text := find[*corev1.ConfigMap](t, objects, "istio-system", "countersign-mesh").Data["mesh"]
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var mesh meshconfig.MeshConfig
	if err := protojson.Unmarshal(data, &mesh); err != nil {
		t.Fatal(err)
	}
	if n := len(mesh.ExtensionProviders); n != 1 {
		t.Fatalf("%d providers, want one", n)
	}
	provider := mesh.ExtensionProviders[0].GetEnvoyExtAuthzGrpc()
	if provider == nil || provider.FailOpen || provider.StatusOnError != "503" {
		t.Errorf("the provider is not gRPC, or does not fail closed with 503: %v", provider)
	}
	body := provider.GetIncludeRequestBodyInCheck()
	if body.GetMaxRequestBytes() != maxRequestBytes || body.GetAllowPartialMessage() || !body.GetPackAsBytes() {
		t.Errorf("body %v, want up to 4 KiB more than 1 MiB, whole, as bytes", body)
	}
	service := find[*corev1.Service](t, objects, "countersign", "countersign")
	host := service.Name + "." + service.Namespace + ".svc.cluster.local"
	if want := service.Namespace + "/" + host; provider.GetService() != want {
		t.Errorf("service %s, want %s", provider.GetService(), want)
	}
	if int64(provider.GetPort()) != int64(service.Spec.Ports[0].Port) {
		t.Errorf("port %d, want %d", provider.GetPort(), service.Spec.Ports[0].Port)
	}

	policy := find[*securityv1.AuthorizationPolicy](t, objects, "mcp", "crm-countersign")
	if name := policy.Spec.GetProvider().GetName(); name != mesh.ExtensionProviders[0].Name {
		t.Errorf("the policy names the provider %q", name)
	}
	if len(policy.Spec.Rules) == 0 {
		t.Error("a CUSTOM policy without rules asks about nothing")
	}
	rule := find[*networkingv1.DestinationRule](t, objects, "countersign", "countersign")
	if rule.Spec.Host != host {
		t.Errorf("the destination rule is for %s, want %s", rule.Spec.Host, host)
	}
	d := find[*appsv1.Deployment](t, objects, "countersign", "countersign")
	tls := rule.Spec.TrafficPolicy.PortLevelSettings[0].Tls
	if diff := cmp.Diff([]string{spiffeID("acme.example", d)}, tls.SubjectAltNames); diff != "" {
		t.Errorf("SANs (-want +got):\n%s", diff)
	}
}

func TestIstioObjectsSelectTheBackend(t *testing.T) {
	objects := render(t, "overlays/istio")
	labels := find[*appsv1.Deployment](t, objects, "mcp", "crm").Spec.Template.Labels
	for name, selector := range map[string]map[string]string{
		"PeerAuthentication": find[*securityv1.PeerAuthentication](t, objects, "mcp", "crm").Spec.Selector.MatchLabels,
		"AuthorizationPolicy": find[*securityv1.AuthorizationPolicy](t, objects, "mcp", "crm-countersign").
			Spec.Selector.MatchLabels,
		"EnvoyFilter": find[*networkingv1alpha3.EnvoyFilter](t, objects, "mcp", "crm-countersign").
			Spec.WorkloadSelector.Labels,
	} {
		if len(selector) == 0 {
			t.Errorf("%s selects everything", name)
		}
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("%s wants %s=%s, the backend has %q", name, key, value, labels[key])
			}
		}
	}
}
