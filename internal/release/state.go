package release

import "slices"

// clone returns a copy that shares nothing that changes.
func (s State) clone() State {
	lanes := make(map[string]*Lane, len(s.Lanes))
	for name, l := range s.Lanes {
		c := *l
		c.Deployments, c.Freezes = slices.Clone(l.Deployments), slices.Clone(l.Freezes)
		for i := range c.Deployments {
			c.Deployments[i] = c.Deployments[i].clone()
		}
		lanes[name] = &c
	}
	s.Lanes = lanes
	return s
}

func (d Deployment) clone() Deployment {
	d.Changes, d.Accepted, d.Asks = slices.Clone(d.Changes), slices.Clone(d.Accepted), slices.Clone(d.Asks)
	for i := range d.Asks {
		d.Asks[i].Told = slices.Clone(d.Asks[i].Told)
	}
	for _, say := range []**Say{&d.Say, &d.Override, &d.Verified} {
		if *say != nil {
			c := **say
			*say = &c
		}
	}
	return d
}
