package main

import (
	"countersign.dev/cedar"
	"countersign.dev/cedar/policytest"
)

// What policy.tests can be.
const (
	testsRun     = "run"
	testsRequire = "require"
	testsIgnore  = "ignore"
)

// acceptance says what becomes of the tests that come with the policies; nil for nothing.
func (c *config) acceptance() cedar.Acceptance {
	if c.Policy.Tests == testsIgnore {
		return nil
	}
	return policytest.Acceptance{Required: c.Policy.Tests == testsRequire}
}

// shadowAcceptance is that of policies that are tried out. They may come without tests.
func (c *config) shadowAcceptance() cedar.Acceptance {
	if c.Policy.Tests == testsIgnore {
		return nil
	}
	return policytest.Acceptance{}
}
