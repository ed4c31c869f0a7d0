package githubsim

import (
	"slices"
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

func (s *Sim) deleteComment(c *comment, by actor) {
	i := c.issue
	i.comments = slices.DeleteFunc(i.comments, func(x *comment) bool { return x == c })
	i.timeline = slices.DeleteFunc(i.timeline, func(e *event) bool { return e.comment == c })
	c.deleted = true
	s.record(i, by, event{kind: "comment_deleted"})
	s.emitComment(c, "deleted", by, nil)
}

func (s *Sim) comment(r *repository, id int64) *comment {
	for _, i := range r.issues {
		for _, c := range i.comments {
			if c.id == id {
				return c
			}
		}
	}
	return nil
}
