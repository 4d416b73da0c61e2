package k8s_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// configPath is where the Deployment tells countersign to look.
const configPath = "/etc/countersign/countersign.yaml"

func TestCountersignAcceptsWhatIsMounted(t *testing.T) {
	binary := buildCountersign(t)
	for _, dir := range []string{"base", "overlays/envoy", "overlays/istio", "overlays/projected"} {
		t.Run(dir, func(t *testing.T) {
			objects := render(t, dir)
			d := find[*appsv1.Deployment](t, objects, "countersign", "countersign")
			if got, want := d.Spec.Template.Spec.Containers[0].Args, []string{"serve", "--config", configPath}; !slices.Equal(got, want) {
				t.Fatalf("args %q, want %q", got, want)
			}
			config := filepath.Join(mount(t, binary, objects, d), configPath)
			run(t, binary, "config", "check", "--config", config)
			run(t, binary, "policy", "check", "--config", config)
		})
	}
}

// buildCountersign builds the binary from the module around this one.
func buildCountersign(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "countersign")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "countersign.dev/cmd/countersign")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building countersign: %v\n%s", err, out)
	}
	return binary
}

func run(t *testing.T, binary string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// mount lays out the volumes of a Deployment's only container below a new directory, as the kubelet would, and
// returns that directory.
func mount(t *testing.T, binary string, objects rendered, d *appsv1.Deployment) string {
	t.Helper()
	root := t.TempDir()
	volumes := map[string]corev1.Volume{}
	for _, v := range d.Spec.Template.Spec.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
		at := filepath.Join(root, m.MountPath)
		switch v := volumes[m.Name]; {
		case v.ConfigMap != nil && m.SubPath != "":
			data := find[*corev1.ConfigMap](t, objects, d.Namespace, v.ConfigMap.Name).Data
			write(t, at, data[m.SubPath])
		case v.ConfigMap != nil:
			project(t, at, contents(t, find[*corev1.ConfigMap](t, objects, d.Namespace, v.ConfigMap.Name)))
		case v.Projected != nil:
			var maps []*corev1.ConfigMap
			for _, source := range v.Projected.Sources {
				maps = append(maps, find[*corev1.ConfigMap](t, objects, d.Namespace, source.ConfigMap.Name))
			}
			project(t, at, contents(t, maps...))
		case v.Secret != nil:
			key := filepath.Join(t.TempDir(), "key.jwk")
			run(t, binary, "keys", "generate", "--output", key)
			text, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			project(t, at, map[string]string{"2026-11.jwk": string(text)})
		}
	}
	return root
}

// contents are the files of ConfigMaps in one volume.
func contents(t *testing.T, maps ...*corev1.ConfigMap) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, m := range maps {
		for name := range m.BinaryData {
			if _, twice := files[name]; twice {
				t.Errorf("%s is in two ConfigMaps", name)
			}
			files[name] = string(m.BinaryData[name])
		}
		for name, text := range m.Data {
			if _, twice := files[name]; twice {
				t.Errorf("%s is in two ConfigMaps", name)
			}
			files[name] = text
		}
	}
	return files
}

func TestCompressedPoliciesAreBinaryData(t *testing.T) {
	objects := render(t, "overlays/projected")
	m := find[*corev1.ConfigMap](t, objects, "countersign", "countersign-policies-compliance")
	if len(m.BinaryData["compliance.cedar.gz"]) == 0 || len(m.Data) != 0 {
		t.Errorf("data %v, binary data %v", m.Data, m.BinaryData)
	}
	binary := buildCountersign(t)
	d := find[*appsv1.Deployment](t, objects, "countersign", "countersign")
	config := filepath.Join(mount(t, binary, objects, d), configPath)
	out, err := exec.CommandContext(t.Context(), binary, "bundle", "build", "--config", config, "--counter", "1",
		"--output", filepath.Join(t.TempDir(), "b.tar.gz"), "--json").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Those of the base, of the compressed file, and of the support team.
	if !strings.Contains(string(out), `"policies": 6,`) {
		t.Errorf("got %s", out)
	}
}

// project writes a directory of files as ConfigMap and Secret volumes look: links into a generation that ..data names.
func project(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	const generation = "..2026_11_25_09_00_00.1234567890"
	for name, text := range files {
		write(t, filepath.Join(dir, generation, name), text)
		link(t, filepath.Join("..data", name), filepath.Join(dir, name))
	}
	link(t, generation, filepath.Join(dir, "..data"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// countersignConfig is the part of the configuration that manifests depend on.
type countersignConfig struct {
	TrustDomain string `json:"trust_domain"`
	Listen      struct {
		GRPC  struct{ Address string }
		Admin string
	}
	Identity struct {
		WorkloadAPI string `json:"workload_api"`
		Clients     []string
	}
	Servers []struct{ Name, Backend string }
}

func readConfig(t *testing.T, objects rendered) countersignConfig {
	t.Helper()
	var c countersignConfig
	text := find[*corev1.ConfigMap](t, objects, "countersign", "countersign-config-").Data["countersign.yaml"]
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPortsAndSocketsOfTheConfigurationAreThoseOfThePod(t *testing.T) {
	for _, dir := range []string{"base", "overlays/istio"} {
		t.Run(dir, func(t *testing.T) {
			objects := render(t, dir)
			c := readConfig(t, objects)
			container := find[*appsv1.Deployment](t, objects, "countersign", "countersign").Spec.Template.Spec.Containers[0]
			for name, address := range map[string]string{"grpc": c.Listen.GRPC.Address, "admin": c.Listen.Admin} {
				host, port, err := net.SplitHostPort(address)
				if err != nil {
					t.Fatal(err)
				}
				if host != "0.0.0.0" {
					t.Errorf("%s listens on %s, where neither Envoy nor the kubelet can reach it", name, host)
				}
				if !slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool {
					return p.Name == name && fmt.Sprint(p.ContainerPort) == port
				}) {
					t.Errorf("the container has no port %s with number %s", name, port)
				}
			}
			if !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool {
				return strings.HasPrefix(c.Identity.WorkloadAPI, "unix://"+m.MountPath+"/")
			}) {
				t.Errorf("no volume holds the socket %s", c.Identity.WorkloadAPI)
			}
		})
	}
}

// spiffeID is the identity that SPIRE and Istio give to the pods of a Deployment.
func spiffeID(trustDomain string, d *appsv1.Deployment) string {
	return fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", trustDomain, d.Namespace, d.Spec.Template.Spec.ServiceAccountName)
}

func TestOnlyThePodsThatAskMayAsk(t *testing.T) {
	tests := map[string]string{"overlays/envoy": "gateway", "overlays/istio": "crm"}
	for dir, asking := range tests {
		t.Run(dir, func(t *testing.T) {
			objects := render(t, dir)
			c := readConfig(t, objects)
			asker := find[*appsv1.Deployment](t, objects, "mcp", asking)
			if want := []string{spiffeID(c.TrustDomain, asker)}; !slices.Equal(c.Identity.Clients, want) {
				t.Errorf("clients %q, want %q", c.Identity.Clients, want)
			}
			if asker.Spec.Template.Labels["countersign.dev/gateway"] != "true" {
				t.Error("the network policy keeps it out")
			}
			backend := find[*appsv1.Deployment](t, objects, "mcp", c.Servers[0].Name)
			if got, want := c.Servers[0].Backend, spiffeID(c.TrustDomain, backend); got != want {
				t.Errorf("backend %s, want %s", got, want)
			}
			namespace := find[*corev1.Namespace](t, objects, "", "mcp")
			if namespace.Labels["countersign.dev/gateways"] != "allowed" {
				t.Error("its namespace may not have gateways")
			}
		})
	}
}
