// Package remote keeps a policy up to date from a bundle behind an https URL.
//
// A bundle goes through four states, which [Status] shows: published, when the server announced it; downloaded; verified, when
// all of it was checked (see package bundle: signature, digests, name, times, counter); and active, when it decides. A
// bundle that fails on the way changes nothing: the last good one goes on deciding, the error is shown, and the next poll
// asks for everything again and not only for changes. Only its own not_after ends what is in force: whoever can keep new
// bundles away from us could otherwise keep an old one in force for ever.
//
// The highest counter that was ever active is remembered, and what is below is refused. With a state file the last good bundle
// outlives the process, and the counter with it, because it is in the bundle: a restart needs no network, and does not
// forget. What is in the file is verified as if it had just been downloaded. If the key that signed it is no longer trusted
// it does not decide, and its counter still counts.
package remote
