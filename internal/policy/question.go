package policy

import "github.com/changegate/changegate/internal/change"

// Question is something that a policy is asked about people, such as whether somebody may give a command. It is asked in the steps of a decision:
// what Needs names is read into the facts until nothing is new, and then Answer is a pure function of the facts. What is missing from them counts
// against whoever it is about.
type Question[T any] struct {
	// Needs returns what the answer rests on beyond the pull request, whether the facts have it already or not; see Policy.Needs.
	Needs  func(change.Facts) change.Needs
	Answer func(change.Facts) T
}

// question returns the question that an evaluation of the policy answers.
func question[T any](p *Policy, answer func(*inquiry) T) Question[T] {
	return Question[T]{
		Needs: func(f change.Facts) change.Needs {
			q := newInquiry(&f, p.Layers()...)
			q.questions = &questions{}
			answer(q)
			return q.questions.needs()
		},
		Answer: func(f change.Facts) T { return answer(newInquiry(&f, p.Layers()...)) },
	}
}
