package run

// MemberPrefix begins the names of the folders that hold a run's members.
const MemberPrefix = "member-"
