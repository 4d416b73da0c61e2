package k8s_test

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// madeByTheUser are the Secrets that no kustomization may contain.
var madeByTheUser = map[string]bool{"countersign/countersign-keys": true}

// eachDeployment runs check for every Deployment of every kustomization.
func eachDeployment(t *testing.T, check func(t *testing.T, objects rendered, d *appsv1.Deployment)) {
	t.Helper()
	for _, dir := range kustomizations {
		objects := render(t, dir)
		for _, d := range all[*appsv1.Deployment](objects) {
			t.Run(dir+"/"+d.Name, func(t *testing.T) { check(t, objects, d) })
		}
	}
}

func TestPodsMeetTheRestrictedProfile(t *testing.T) {
	eachDeployment(t, func(t *testing.T, _ rendered, d *appsv1.Deployment) {
		spec := d.Spec.Template.Spec
		pod := spec.SecurityContext
		if pod == nil || !isTrue(pod.RunAsNonRoot) || pod.RunAsUser == nil || *pod.RunAsUser != 65532 {
			t.Error("does not run as user 65532")
		}
		if pod == nil || pod.SeccompProfile == nil || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Error("no seccomp profile RuntimeDefault")
		}
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
			t.Error("a service account token is mounted")
		}
		if spec.HostNetwork || spec.HostPID || spec.HostIPC {
			t.Error("shares a namespace with the host")
		}
		for _, c := range spec.Containers {
			s := c.SecurityContext
			if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
				t.Errorf("%s: privilege escalation is allowed", c.Name)
			}
			if s == nil || !isTrue(s.ReadOnlyRootFilesystem) {
				t.Errorf("%s: the root file system can be written", c.Name)
			}
			if s == nil || s.Capabilities == nil || len(s.Capabilities.Add) > 0 ||
				len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
				t.Errorf("%s: does not drop all capabilities", c.Name)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: resources are not bounded", c.Name)
			}
		}
	})
}

func TestWhatPodsReferToExists(t *testing.T) {
	eachDeployment(t, func(t *testing.T, objects rendered, d *appsv1.Deployment) {
		spec := d.Spec.Template.Spec
		find[*corev1.ServiceAccount](t, objects, d.Namespace, spec.ServiceAccountName)
		volumes := map[string]corev1.Volume{}
		for _, v := range spec.Volumes {
			volumes[v.Name] = v
			switch {
			case v.ConfigMap != nil:
				find[*corev1.ConfigMap](t, objects, d.Namespace, v.ConfigMap.Name)
			case v.Secret != nil:
				if !madeByTheUser[d.Namespace+"/"+v.Secret.SecretName] {
					t.Errorf("volume %s: unknown Secret %s", v.Name, v.Secret.SecretName)
				}
			case v.Projected != nil:
				for _, source := range v.Projected.Sources {
					find[*corev1.ConfigMap](t, objects, d.Namespace, source.ConfigMap.Name)
				}
			case v.CSI != nil:
				if v.CSI.Driver != "csi.spiffe.io" || !isTrue(v.CSI.ReadOnly) {
					t.Errorf("volume %s: want csi.spiffe.io, read-only", v.Name)
				}
			default:
				t.Errorf("volume %s: of a kind that this test does not know", v.Name)
			}
		}
		for _, c := range spec.Containers {
			for _, m := range c.VolumeMounts {
				v, ok := volumes[m.Name]
				if !ok {
					t.Errorf("%s: no volume %s", c.Name, m.Name)
				}
				if !m.ReadOnly {
					t.Errorf("%s: %s can be written", c.Name, m.MountPath)
				}
				if m.SubPath != "" {
					if _, ok := find[*corev1.ConfigMap](t, objects, d.Namespace, v.ConfigMap.Name).Data[m.SubPath]; !ok {
						t.Errorf("%s: %s has no %s", c.Name, v.ConfigMap.Name, m.SubPath)
					}
				}
			}
			for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
				if err := checkProbe(c, probe); err != nil {
					t.Errorf("%s: %v", c.Name, err)
				}
			}
		}
	})
}

func checkProbe(c corev1.Container, probe *corev1.Probe) error {
	var port intstr.IntOrString
	switch {
	case probe == nil:
		return nil
	case probe.HTTPGet != nil:
		port = probe.HTTPGet.Port
	case probe.TCPSocket != nil:
		port = probe.TCPSocket.Port
	default:
		return fmt.Errorf("a probe that this test does not know")
	}
	return namedPort(c, port)
}

// namedPort says whether a container has the port. Ports are referred to by name, so that a number stands once.
func namedPort(c corev1.Container, port intstr.IntOrString) error {
	for _, p := range c.Ports {
		if port.Type == intstr.String && p.Name == port.StrVal {
			return nil
		}
	}
	return fmt.Errorf("container %s has no port named %q", c.Name, port.String())
}

func TestSelectorsMatchPodsAndPorts(t *testing.T) {
	for _, dir := range kustomizations {
		t.Run(dir, func(t *testing.T) {
			objects := render(t, dir)
			for _, s := range all[*corev1.Service](objects) {
				d := selected(t, objects, s.Namespace, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})
				for _, p := range s.Spec.Ports {
					if err := namedPort(d.Spec.Template.Spec.Containers[0], p.TargetPort); err != nil {
						t.Errorf("Service %s: %v", s.Name, err)
					}
				}
			}
			for _, b := range all[*policyv1.PodDisruptionBudget](objects) {
				selected(t, objects, b.Namespace, b.Spec.Selector)
			}
			for _, n := range all[*netv1.NetworkPolicy](objects) {
				d := selected(t, objects, n.Namespace, &n.Spec.PodSelector)
				for _, rule := range n.Spec.Ingress {
					for _, p := range rule.Ports {
						if err := namedPort(d.Spec.Template.Spec.Containers[0], *p.Port); err != nil {
							t.Errorf("NetworkPolicy %s: %v", n.Name, err)
						}
					}
				}
			}
			for _, d := range all[*appsv1.Deployment](objects) {
				for _, c := range d.Spec.Template.Spec.TopologySpreadConstraints {
					if got := selected(t, objects, d.Namespace, c.LabelSelector); got.Name != d.Name {
						t.Errorf("Deployment %s spreads the pods of %s", d.Name, got.Name)
					}
				}
			}
		})
	}
}

// selected returns the one Deployment whose pods a selector matches.
func selected(t *testing.T, objects rendered, namespace string, selector *metav1.LabelSelector) *appsv1.Deployment {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	var found *appsv1.Deployment
	for _, d := range all[*appsv1.Deployment](objects) {
		if d.Namespace != namespace || !s.Matches(labels.Set(d.Spec.Template.Labels)) {
			continue
		}
		if found != nil {
			t.Fatalf("%s matches the pods of %s and %s", s, found.Name, d.Name)
		}
		found = d
	}
	if found == nil || s.Empty() {
		t.Fatalf("%q in %s matches no Deployment", s, namespace)
	}
	return found
}

func TestCountersignIsReplicated(t *testing.T) {
	objects := render(t, "base")
	d := find[*appsv1.Deployment](t, objects, "countersign", "countersign")
	if d.Spec.Replicas == nil || *d.Spec.Replicas < 2 {
		t.Error("fewer than two replicas")
	}
	if len(d.Spec.Template.Spec.TopologySpreadConstraints) == 0 {
		t.Error("replicas may share a node")
	}
	if s := find[*corev1.Service](t, objects, "countersign", "countersign-grpc"); s.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Error("countersign-grpc is not headless: an Envoy would send all checks to one replica")
	}
	if s := find[*corev1.Service](t, objects, "countersign", "countersign"); s.Spec.ClusterIP != "" {
		t.Error("countersign has no cluster IP")
	}
}

func TestNoSecretIsRendered(t *testing.T) {
	for _, dir := range kustomizations {
		if secrets := all[*corev1.Secret](render(t, dir)); len(secrets) > 0 {
			t.Errorf("%s contains the Secret %s", dir, secrets[0].Name)
		}
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
