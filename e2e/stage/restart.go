package stage

import "context"

// Restart ends a replica of Countersign and starts it again as it was, with nothing in its memory.
func (s *Stage) Restart(ctx context.Context, replica int) error {
	old := s.Countersign[replica]
	old.Stop()
	p, err := startCountersign(ctx, s.Dir, s.ConfigDir, old.Name, s.options.Programs.Countersign, s.replicas[replica])
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Countersign[replica] = p
	s.ended = append(s.ended, p.Stop)
	return nil
}
