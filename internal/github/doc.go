// Package github is the only part of changegate that knows GitHub's API. It reads facts and carries out effects, for one installation
// of the App at a time, in the words of package change.
//
// A reconcile begins a Session and reads through it. Every read says how fresh its answer must be, as a time: the zero time takes
// whatever is held, without a call; any other time takes an answer only if GitHub was asked after it. Session.Began is the time to
// give for facts that a green check rests on. What has to be asked is asked conditionally wherever an answer is held: a 304 makes
// the held answer fresh again, and is free on the rate limit. Nothing is asked twice within a session. What is immutable by its SHA
// is held for as long as memory allows and never asked again.
//
// Writes go through the Client. A write whose answer was lost may have happened: Unavailable says so.
//
// Each call comes with a token that reaches no more than what it is about: the one repository, else the owner's policies, the teams, or which
// repositories there are. Tokens are made when they are needed and held for their hour; what a token of one scope was told is never given
// to another. Calls therefore name a repository by its id as well as by its name.
//
// What GitHub would not tell is an error or a Problem in the facts, never an empty answer. Errors have types, because the loop acts
// on their kind: see Temporary and RetryAt. Once GitHub limits an installation, its calls fail at once, here, until the limit ends.
//
// Sources, named in the comments: operation ids are those of GitHub's OpenAPI description of its REST API, version 2022-11-28. Merge queues
// are in GraphQL only, whose hourly budget is another; a GitHub that has no such thing says NoGraphQL.
package github
