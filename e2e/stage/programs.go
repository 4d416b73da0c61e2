package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs are the programs of a stage.
type Programs struct {
	// Countersign and Workload are built from this module.
	Countersign, Workload string
	// Envoy, SPIREServer and SPIREAgent are released programs; those of SPIRE are empty until looked for.
	Envoy, SPIREServer, SPIREAgent string

	root string // directory of the module
}

// Build builds this module's programs into dir and looks for Envoy. It is the file in the environment variable
// COUNTERSIGN_ENVOY, else envoy on the PATH, else the one that `make test` and `make demo` install under .cache. Where
// there is none that is an error which says how to get it: nothing is ever left out.
func Build(ctx context.Context, dir string) (Programs, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return Programs{}, err
	}
	p := Programs{
		Countersign: filepath.Join(dir, "countersign"), Workload: filepath.Join(dir, "workload"), root: root,
	}
	if p.Envoy, err = findEnvoy(root); err != nil {
		return Programs{}, err
	}
	for program, pkg := range map[string]string{p.Countersign: "./cmd/countersign", p.Workload: "./e2e/workload"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", program, pkg)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return Programs{}, fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
	}
	return p, nil
}

// FindSPIRE looks for SPIRE: the files in COUNTERSIGN_SPIRE_SERVER and COUNTERSIGN_SPIRE_AGENT, else those that
// `make test` and `make demo SPIRE=1` build under .cache/bin.
func (p *Programs) FindSPIRE() (err error) {
	if p.SPIREServer, err = findSPIRE(p.root, "spire-server", "COUNTERSIGN_SPIRE_SERVER"); err != nil {
		return err
	}
	p.SPIREAgent, err = findSPIRE(p.root, "spire-agent", "COUNTERSIGN_SPIRE_AGENT")
	return err
}

// moduleRoot is the directory of the module that the program was started in.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module's directory: %w", err)
	}
	module, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if module != "countersign.dev" {
		return "", fmt.Errorf("started in module %s: start it inside the repository of countersign.dev", module)
	}
	return dir, nil
}

func findEnvoy(root string) (string, error) {
	if file := os.Getenv("COUNTERSIGN_ENVOY"); file != "" {
		return checked(file, "COUNTERSIGN_ENVOY names it")
	}
	if file, err := exec.LookPath("envoy"); err == nil {
		return checked(file, "it is the one on the PATH")
	}
	// The Python launcher beside it would stand between us and the process.
	found, err := filepath.Glob(filepath.Join(root, ".cache/venv/lib/python3*/site-packages/envoy/_bin/envoy"))
	if err != nil || len(found) == 0 {
		return "", errors.New("there is no Envoy: run `make test` or `make demo`, which install it, " +
			"or name one in COUNTERSIGN_ENVOY")
	}
	return checked(found[0], "make clean, then try again")
}

func findSPIRE(root, name, variable string) (string, error) {
	if file := os.Getenv(variable); file != "" {
		return checked(file, variable+" names it")
	}
	return checked(filepath.Join(root, ".cache/bin", name),
		"run `make test` or `make demo SPIRE=1`, which build it, or name one in "+variable)
}

func checked(file, hint string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("looking for %s (%s): %w", filepath.Base(file), hint, err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s is not a program (%s)", file, hint)
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(file) // SPIRE knows a workload by the path of its program, which has no links
}
