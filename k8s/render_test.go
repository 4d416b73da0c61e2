// Package k8s_test renders every kustomization, decodes every object strictly into its API type, and gives what is
// rendered to the programs that will read it: countersign and Envoy.
package k8s_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
	networkingv1alpha3 "istio.io/client-go/pkg/apis/networking/v1alpha3"
	securityv1 "istio.io/client-go/pkg/apis/security/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// kustomizations are all that a user may apply.
var kustomizations = []string{"base", "samples/crm", "overlays/envoy", "overlays/istio", "overlays/projected"}

// object is one rendered object.
type object interface {
	runtime.Object
	metav1.Object
}

// rendered is what one kustomization consists of.
type rendered []object

// render builds a kustomization and decodes all of its objects.
func render(t *testing.T, dir string) rendered {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("building %s: %v", dir, err)
	}
	var objects rendered
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatalf("%s: %v", r.CurId(), err)
		}
		o, err := decode(text)
		if err != nil {
			t.Errorf("%s: %v\n%s", r.CurId(), err, text)
			continue
		}
		objects = append(objects, o)
	}
	return objects
}

// all returns the objects of one type.
func all[T object](objects rendered) []T {
	var found []T
	for _, o := range objects {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

// find returns the object of one type and name; a name that ends in "-" is followed by a hash.
func find[T object](t *testing.T, objects rendered, namespace, name string) T {
	t.Helper()
	for _, o := range all[T](objects) {
		hashed := strings.HasSuffix(name, "-") && strings.HasPrefix(o.GetName(), name)
		if o.GetNamespace() == namespace && (o.GetName() == name || hashed) {
			return o
		}
	}
	t.Fatalf("no %s %s/%s", reflect.TypeFor[T](), namespace, name)
	return *new(T)
}

var decoder = newDecoder()

func newDecoder() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, netv1.AddToScheme,
		networkingv1.AddToScheme, networkingv1alpha3.AddToScheme, securityv1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// decode reads one object into its API type. Unknown kinds, unknown fields and repeated keys are errors.
func decode(text []byte) (object, error) {
	decoded, _, err := decoder.Decode(text, nil, nil)
	if err != nil {
		return nil, err
	}
	o, ok := decoded.(object)
	if !ok {
		return nil, fmt.Errorf("%T has no name", decoded)
	}
	return o, checkSpec(text, o)
}

// checkSpec decodes the specs of Istio's types again: these are protocol buffers whose own decoding lets unknown
// fields pass, whatever the decoder around it is told.
func checkSpec(text []byte, o object) error {
	field := reflect.ValueOf(o).Elem().FieldByName("Spec")
	if !field.IsValid() {
		return nil
	}
	spec, ok := field.Addr().Interface().(proto.Message)
	if !ok {
		return nil
	}
	var raw struct {
		Spec any `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return err
	}
	data, err := yaml.Marshal(raw.Spec)
	if err != nil {
		return err
	}
	if data, err = yaml.YAMLToJSON(data); err != nil {
		return err
	}
	if err := protojson.Unmarshal(data, spec.ProtoReflect().New().Interface()); err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	return nil
}

func TestEveryObjectIsOfAKnownKindAndHasOnlyKnownFields(t *testing.T) {
	for _, dir := range kustomizations {
		t.Run(dir, func(t *testing.T) {
			if len(render(t, dir)) == 0 {
				t.Error("nothing was rendered")
			}
		})
	}
}

func TestStrictDecodingNotices(t *testing.T) {
	tests := map[string]string{
		"a misspelt field of a Deployment": `
apiVersion: apps/v1
kind: Deployment
metadata: {name: x}
spec: {template: {spec: {containers: [{name: x, securityContext: {readOnlyRootFileSystem: true}}]}}}`,
		"a key that is there twice": `
apiVersion: v1
kind: ConfigMap
metadata: {name: x}
data: {a: "1"}
data: {a: "2"}`,
		"a misspelt field of an AuthorizationPolicy": `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: x}
spec: {action: CUSTOM, provider: {named: countersign}}`,
		"a misspelt action of an AuthorizationPolicy": `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: x}
spec: {action: CUSTOMS}`,
		"an unknown kind": `
apiVersion: countersign.dev/v1
kind: Policy
metadata: {name: x}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if o, err := decode([]byte(text)); err == nil {
				t.Errorf("decoded as %T", o)
			}
		})
	}
}
