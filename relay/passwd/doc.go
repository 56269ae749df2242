// Package passwd knows a password by what was kept of it: the hashes that tools and panels write.
//
// It promises that what it compares it compares in constant time, that no error shows a hash, that what a hash may cost
// is bounded, and that what is no hash fits no password. It leaves to its users how many are computed at once: some take
// much memory, and all take time, which is their purpose.
//
// RFC 9106 (Argon2), 5803 (SCRAM), 8018 (PBKDF2).
//
// Read [Parse] first.
package passwd
