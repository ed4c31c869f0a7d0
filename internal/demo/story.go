package demo

import (
	"time"

	"github.com/changegate/changegate/internal/githubsim"
)

// retrospective is the page, in the repository, of the issue that the story's emergency opens.
const retrospective = "/issues/5"

// story is what the demo tells, chapter by chapter.
func story() []chapter {
	return []chapter{
		documentation(),
		code(),
		mergeToVerified(),
		migration(),
		incident(),
		nextWaits(),
		rollBack(),
		mended(),
	}
}

func documentation() chapter {
	return chapter{
		proposal: "story-1-docs", title: "A line of documentation",
		steps: []step{
			open("alice").checks(yellow, "Standard: 0 of 1 approval · waiting for test"),
			tests().checks(yellow, "Standard: 0 of 1 approval"),
			merge("alice").called("tries to merge").isRefused(`Required status check "Change policy" is in progress.`),
			approve("bob").checks(green, "Standard: approved by bob"),
			merge("alice"),
			deploys("staging").ships(yellow, "staging verified · production deploying"),
			deploys("production").ships(yellow, "staging verified · production watching until 10:37"),
		},
		lesson: "Low risk by a pattern that was agreed on: one approval, no paperwork. GitHub itself holds the merge back until the check is green. " +
			"What lands is deployed to staging and, once it works there, the same commit to production.",
	}
}

func code() chapter {
	return chapter{
		proposal: "story-2-code", title: "A change of code",
		steps: []step{
			open("alice").checks(red, "Normal: 0 of 1 approval · rollback plan missing · waiting for test"),
			fillIn("alice", "adds a rollback plan", "<!-- How do we get back to before? -->", "Revert and deploy: nothing is stored.").
				checks(yellow, "Normal: 0 of 1 approval · waiting for test"),
			tests().checks(yellow, "Normal: 0 of 1 approval"),
			approve("bob").checks(green, "Normal: approved by bob"),
			push("alice", "pushes one more commit", githubsim.Commit{
				Message: "Say what half even means",
				Files:   map[string]string{"docs/prices.md": "# Prices\n\nHalf a cent is rounded to the even cent, as banks do.\n"},
			}).checks(yellow, "Normal: 0 of 1 approval · waiting for test"),
			tests().checks(yellow, "Normal: 0 of 1 approval"),
			approve("frank").checks(green, "Normal: approved by frank"),
			merge("alice"),
		},
		lesson: "Red is what the author can fix, yellow waits for others. An approval counts for the content that it saw, and a push ends it.",
	}
}

func mergeToVerified() chapter {
	return chapter{
		proposal: "story-2-code", title: "From merge to verified",
		steps: []step{
			deploys("staging").ships(yellow, "staging verified · production deploying"),
			deploys("production").ships(yellow, "staging verified · production watching until …"),
			command("alice", "says at once that it works", `/change verified "orders come in"`).
				answers("… (#2) has to be watched until 17 November 10:47 UTC. Say so after that."),
			later(30 * time.Minute).answers("@alice: … (#2) is in production, and has been watched for long enough. Does it work? …"),
			command("alice", "says it now", `/change verified "100 orders, no cent lost"`).ships(green, "staging verified · production verified"),
		},
		lesson: "Deployed is not done: what runs in production is watched, and somebody says that it works. The next one to go wrong is rolled back to here.",
	}
}

func migration() chapter {
	return chapter{
		proposal: "story-3-migration", title: "A database migration",
		steps: []step{
			open("bob").checks(yellow, "High-risk: 0 of 2 approvals · tech lead · security review · waiting for test"),
			tests().checks(yellow, "High-risk: 0 of 2 approvals · tech lead · security review"),
			label("sam", emergency).called("adds EMERGENCY to save time").
				checks(yellow, "High-risk: 0 of 2 approvals · tech lead · security review").
				noting("EMERGENCY is ignored: sam added it, and may not declare an emergency. It counts once it is removed and added again by @acme/on-call."),
			unlabel("sam", emergency).checks(yellow, "High-risk: 0 of 2 approvals · tech lead · security review"),
			approve("alice").checks(yellow, "High-risk: 1 of 2 approvals · tech lead · security review"),
			approve("erin").called("of security approves").checks(yellow, "High-risk: 1 of 2 approvals · tech lead"),
			approve("dave").called("the tech lead approves").checks(yellow, "High-risk: 1 of 2 approvals"),
			approve("frank").checks(green, "High-risk: approved by alice, frank, dave, erin"),
			merge("bob"),
			deploys("staging").ships(yellow, "staging verified · production waiting").
				noting("waits for somebody in tech-lead (@acme/tech-leads) to comment /change deploy production, because it holds #3 (high-risk)"),
			command("dave", "/change deploy production", "/change deploy production").ships(yellow, "staging verified · production deploying"),
			deploys("production").ships(yellow, "staging verified · production watching until …"),
			later(2 * time.Hour),
			command("frank", "says that it works", `/change verified "coupons work, no slow queries"`).ships(green, "staging verified · production verified"),
		},
		lesson: "Four roles are four people, and the author is none of them. Their teams were asked without anyone's doing. A label relaxes something only if " +
			"it was added by someone who may. It ships when a person says so, and the next change waits for as long as it is watched.",
	}
}

func incident() chapter {
	return chapter{
		proposal: "story-4-incident", title: "An incident during a freeze",
		steps: []step{
			open("carol").checks(red, "Normal: 0 of 1 approval · risk missing · rollback plan missing · testing missing · waiting for test"),
			command("dave", "freezes production", `/change freeze production until 2026-11-17T16:00 "nobody touches it during the incident"`).answers("production is frozen until 17 November 16:00 UTC."),
			label("carol", emergency).called("is on call: adds EMERGENCY").checks(green, "Emergency: 1 approval due by …"),
			approve("dave").called("is at hand, and approves").checks(green, "Emergency: approved by dave"),
			merge("carol"),
			deploys("staging").ships(yellow, "staging verified · production deploying"),
			deploys("production").ships(yellow, "staging verified · production watching until …"),
			later(30 * time.Minute),
			command("carol", "says that it works", `/change verified "no second charge since"`).ships(green, "staging verified · production verified"),
		},
		lesson: "Who is on call may ship at once, freeze or not: it was green before anyone had reviewed it, and nothing held it up on its way but staging. The approval is owed " +
			"within a day, a retrospective too (in /" + repo + retrospective + ", opened for it), and it is recorded who declared the emergency, when, and on what content.",
	}
}

func nextWaits() chapter {
	return chapter{
		proposal: "story-5-cart", title: "The next change waits, until it may go",
		steps: []step{
			open("alice").checks(yellow, "Normal: 0 of 1 approval · waiting for test"),
			tests().checks(yellow, "Normal: 0 of 1 approval"),
			approve("bob").checks(green, "Normal: approved by bob"),
			merge("alice"),
			deploys("staging").ships(yellow, "staging verified · production waiting until 16:00"),
			dispatch("alice", "production").gates(yellow, "Waiting for the end of the freeze by dave: …"),
			command("dave", "/change thaw production", "/change thaw production").gates(green, "The policy lets … go to production."),
			deploys("production").ships(yellow, "staging verified · production watching until …"),
		},
		lesson: "Whatever deploys asks first: a job that names the environment waits at its protection rule, and is let through when the change may go. Without the thaw that would have been at 16:00.",
	}
}

func rollBack() chapter {
	return chapter{
		proposal: "story-5-cart", title: "Back to what worked",
		steps: []step{
			command("bob", "rolls it back", `/change rollback production "carts show the date of yesterday"`).answers("production goes back to …"),
			deploys("production").ships(red, "staging verified · production rolled back"),
			later(30 * time.Minute),
			command("bob", "says that it works", `/change verified "the dates are gone"`).ships(red, "staging verified · production rolled back"),
		},
		lesson: "A rollback is a deployment of the version that was verified last. It needs no approval and passes freezes; who, why and from what to what is recorded.",
	}
}

func mended() chapter {
	return chapter{
		proposal: "story-6-mend", title: "Fixed, and on again",
		steps: []step{
			open("alice").checks(yellow, "Normal: 0 of 1 approval · waiting for test"),
			tests().checks(yellow, "Normal: 0 of 1 approval"),
			approve("bob").checks(green, "Normal: approved by bob"),
			merge("alice"),
			deploys("staging").ships(yellow, "staging verified · production waiting").
				noting("waits for somebody in tech-lead (@acme/tech-leads) to comment /change deploy production, because it holds #6 (was rolled back there)"),
			command("dave", "/change deploy production", "/change deploy production").ships(yellow, "staging verified · production deploying"),
			deploys("production").ships(yellow, "staging verified · production watching until …"),
			later(30 * time.Minute),
			command("frank", "says that it works", `/change verified "the right dates"`).ships(green, "staging verified · production verified"),
		},
		lesson: "main still holds what was rolled back, and so does whatever is built on it. It comes back to production when somebody says so who has seen that it is fixed.",
	}
}
