package calendar

import "time"

// Hours are the times of a week at which something may be done, but for holidays. The zero Hours are never open.
type Hours struct {
	Windows  []Window
	Zone     *time.Location // nil: UTC
	Holidays []Date         // days in Zone that are closed all day
}

// Window is the same time of day on one or more days of the week that follow one another: it opens at From and closes at Until, which is
// not in it. First to Last may go round the end of the week.
type Window struct {
	First, Last time.Weekday
	From, Until Clock
}

// Clock is a time of day as clocks show it, in minutes since midnight; 24:00 is the end of the day.
type Clock int

// Date is a day of the calendar, without a zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}
