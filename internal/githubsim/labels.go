package githubsim

import (
	"fmt"
	"strings"
)

// editLabel renames or recolours a label. GitHub keeps a renamed label on everything that carries it, without an event there.
func (s *Sim) editLabel(r *repository, l *label, name, color string, description *string, by actor) error {
	changes := obj{}
	if name != "" && name != l.name {
		if other := r.labels[strings.ToLower(name)]; other != nil && other != l {
			return refuse("Label %q already exists", name)
		}
		changes["name"] = obj{"from": l.name}
		delete(r.labels, strings.ToLower(l.name))
		l.name = name
		r.labels[strings.ToLower(name)] = l
	}
	if color != "" && color != l.color {
		changes["color"] = obj{"from": l.color}
		l.color = color
	}
	if description != nil && *description != l.description {
		changes["description"] = obj{"from": l.description}
		l.description = *description
	}
	s.emitLabel(r, l, "edited", by.account, obj{"changes": changes})
	return nil
}

func (s *Sim) deleteLabel(r *repository, l *label, by actor) {
	delete(r.labels, strings.ToLower(l.name))
	for _, i := range r.issues {
		if i.hasLabel(l) {
			s.removeLabel(i, l, by)
		}
	}
	s.emitLabel(r, l, "deleted", by.account, nil)
}

type label struct {
	id                       int64
	name, color, description string
}

func (s *Sim) newLabel(r *repository, name, color string) *label {
	l := &label{id: s.nextID(), name: name, color: color}
	r.labels[strings.ToLower(name)] = l
	return l
}

// AddLabel adds a label to the repository.
func (s *Sim) AddLabel(repo, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	if r.labels[strings.ToLower(name)] != nil {
		return fmt.Errorf("%s has a label %s already", repo, name)
	}
	s.emitLabel(r, s.newLabel(r, name, "ededed"), "created", r.owner, nil)
	return nil
}
