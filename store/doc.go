// Package store is the queue. (The state table is written with the queue itself.)
package store
