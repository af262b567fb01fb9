// Package ruleschema reads the messages of ostiary.policy.v1, in which a schema
// writes its rules: what their values stand for, whether this version knows them
// all, and what they say in words.
package ruleschema
