// What is deployed, and its tests.
module github.com/ostiary/ostiary/deploy

go 1.26.0
