package stage

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// House is a company: a trust domain with workloads, Envoy and Countersign of its own.
type House struct {
	// Domain is its trust domain.
	Domain string
	// Actors are its workloads besides Envoy and Countersign, Servers those of them that are MCP servers behind Envoy.
	Actors, Servers []string

	// layers are directories of files for Countersign, and where below its configuration they are copied to.
	layers [][2]string
}

// TrustDomain is the trust domain of acme. All delegations of the stage begin there and are for it.
const TrustDomain = "acme.example"

// ID returns the SPIFFE ID of a workload of acme, such as "planner".
func ID(workload string) string { return acme.ID(workload) }

// ID returns the SPIFFE ID of a workload of the house.
func (h House) ID(workload string) string { return "spiffe://" + h.Domain + "/" + workload }

// acme is the house of a stage that has only one.
var acme = House{
	Domain: TrustDomain, Actors: []string{"planner", "intern", "crm", "ledger"}, Servers: []string{"crm", "ledger"},
	layers: [][2]string{{"demo", "."}},
}

// acmeWithPartner is acme once it gave its ledger away, and partner is who keeps it, with an archive.
var (
	acmeWithPartner = House{
		Domain: TrustDomain, Actors: []string{"planner", "intern", "crm"}, Servers: []string{"crm"},
		layers: [][2]string{{"demo", "."}, {"federation/acme", "policies"}},
	}
	partner = House{
		Domain: "partner.example", Actors: []string{"ledger", "archive"}, Servers: []string{"ledger", "archive"},
		layers: [][2]string{{"demo/tools", "tools"}, {"federation/partner", "."}},
	}
)

// furnish copies the files of the house into a directory.
func (h House) furnish(dir string) error {
	for _, layer := range h.layers {
		files, err := fs.Sub(demoFiles, layer[0])
		if err != nil {
			return fmt.Errorf("opening the files of %s: %w", h.Domain, err)
		}
		if err := os.CopyFS(filepath.Join(dir, layer[1]), files); err != nil {
			return fmt.Errorf("copying the files of %s: %w", h.Domain, err)
		}
	}
	return nil
}
