package decisions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ada = &auth.Identity{Issuer: "https://issuer.example.com", Subject: "user_ada", Kind: auth.KindSession, SessionID: "sess_1", RawClaims: "{}"}

func admittedCall() auth.Decision {
	return auth.Decision{Procedure: "/acme.note.v1.NoteService/Get", Protocol: "connect", Peer: "192.0.2.1:80", Identity: ada, Duration: 5 * time.Microsecond}
}

func refusedCall(reason auth.Reason, verified bool) auth.Decision {
	d := admittedCall()
	d.Identity, d.Refusal = nil, &auth.Error{Reason: reason, Cause: errors.New("it is so")}
	if verified {
		d.Refusal.Verified = &auth.VerifiedToken{Issuer: "https://issuer.example.com", Subject: "user_ada", KeyID: "ins_1"}
	}
	return d
}

// opened opens a log into a file, which is small and kept once.
func opened(t *testing.T, path string) (*Log, *bytes.Buffer) {
	t.Helper()
	said := new(bytes.Buffer)
	l, err := Open(Config{Output: path, MaxBytes: 1 << 20, MaxFiles: 2, Log: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return l, said
}

// lines returns the records in a file, each of which must be whole.
func lines(t *testing.T, path string) (records []Record) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		t.Errorf("%s ends with %q", path, text[max(0, len(text)-50):])
	}
	for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
		var r Record
		if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v in %s", path, err, scanner.Bytes())
		}
		records = append(records, r)
	}
	return records
}

func number(t *testing.T, r Record) int {
	t.Helper()
	_, n, _ := strings.Cut(r.ID, "-")
	parsed, err := strconv.Atoi(n)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestTheFileIsRotatedAndItsLinesAreInOrder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	l, _ := opened(t, path)
	const all = 4 * maxEntries
	for written := uint64(0); written < all; {
		for range maxEntries { // more could be lost
			l.Observe(t.Context(), admittedCall())
		}
		for written += maxEntries; l.Status().Written < written; {
			<-time.After(time.Millisecond)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s := l.Status(); s.Written != all || s.Lost != 0 || s.Failing {
		t.Errorf("status %+v", s)
	}
	rotated, err := filepath.Glob(filepath.Join(filepath.Dir(path), "decisions-*.jsonl"))
	if err != nil || len(rotated) != 2 {
		t.Fatalf("rotated files: %v, %v; want 2", rotated, err)
	}
	last := 0
	for _, file := range append(rotated, path) { // by their times
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() > 1<<20 {
			t.Errorf("%s: mode %v, %d bytes, %v", file, info.Mode(), info.Size(), err)
		}
		for _, r := range lines(t, file) {
			if n := number(t, r); last != 0 && n != last+1 {
				t.Fatalf("%s: %d comes after %d", file, n, last)
			} else {
				last = n
			}
		}
	}
	if last != all {
		t.Errorf("the last is %d; want %d", last, all)
	}
}

func TestARecordSaysWhatIsKnown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	l, _ := opened(t, path)
	d := refusedCall(auth.TokenRevoked, true)
	d.Identity = &auth.Identity{
		Issuer: "https://issuer.example.com", Subject: "user_ada\n", Kind: auth.KindOAuth, SessionID: "sess_1", ClientID: "client", AuthorizedParty: "party",
		TokenID: "jti", Organization: auth.Organization{ID: "org_1"}, Actor: &auth.Actor{Subject: "user_ops"}, RawClaims: `{"secret":"of the token"}`,
	}
	d.Ended = true
	l.Observe(t.Context(), d)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), `","decision_id":"`+l.run)
	const want = `-1","procedure":"/acme.note.v1.NoteService/Get","protocol":"connect","outcome":"ended","reason":"TOKEN_REVOKED","cause":"it is so",` +
		`"issuer":"https://issuer.example.com","subject":"user_ada\n","kind":"oauth","session_id":"sess_1","organization_id":"org_1","client_id":"client",` +
		`"authorized_party":"party","token_id":"jti","actor":{"subject":"user_ops"},"peer":"192.0.2.1:80","duration_us":5,"count":1}` + "\n"
	if rest != want {
		t.Errorf("the line goes on\n%s; want\n%s", rest, want)
	}
}

func TestALineIsWhatPackageJSONMakesOfTheRecord(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Record{
		"nothing": {},
		"all": {
			Time: time.Unix(1764400000, 123456000).UTC(), ID: "RUN-1", Procedure: "/a/b", Protocol: "grpc", Outcome: Ended,
			Reason: "TOKEN_EXPIRED", Cause: "a \"cause\"\n\x00 of ä and \xff \\ \u2028", Issuer: "https://issuer.example.com", Subject: "user_1", KindName: "session",
			Session: "sess_1", Organization: "org_1", ClientID: "client", AuthorizedParty: "party", TokenID: "jti", KeyID: "ins_1", TokenHash: "8c1f0b6f2f6f5c0e", RuleSource: "ostiary.yaml", RequestID: "request",
			Actor: &Actor{"https://issuer.example.com", "user_\"2", "sess_2", "agent"}, Peer: "[::1]:80", TraceID: "0af7", SpanID: "b7ad", Microseconds: 12, Count: 3, Lost: 4,
		},
	} {
		want, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.appendTo(nil)); got != string(want)+"\n" {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
}

func TestWhatAKillHasLeftOfALineIsRemoved(t *testing.T) {
	t.Parallel()
	const whole = `{"time":"2026-11-29T04:50:11Z","count":1}` + "\n"
	for name, torn := range map[string]string{"much": `{"time":"2026-11-29T04:5`, "little": `{"t`, "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "decisions.jsonl")
			if err := os.WriteFile(path, []byte(whole+torn), 0o600); err != nil {
				t.Fatal(err)
			}
			l, _ := opened(t, path)
			l.Observe(t.Context(), admittedCall())
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if records := lines(t, path); len(records) != 2 || number(t, records[1]) != 1 {
				t.Errorf("%d records", len(records))
			}
		})
	}
}

func TestAnotherProgramsFileIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Output: path, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "name another file") {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("it has %q, %v", text, err)
	}
	if err := CheckFile(filepath.Join(path, "decisions.jsonl")); err == nil {
		t.Error("a file is in a file")
	}
	if err := CheckFile(filepath.Dir(path)); err == nil {
		t.Error("a directory is a file")
	}
}

// A disk takes so many bytes, and no more until it has room.
type disk struct {
	kept []byte

	mu   sync.Mutex
	room int
}

func (d *disk) free(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

var errFull = errors.New("no space left")

func (d *disk) write(lines []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(lines), d.room)
	d.room -= n
	if n < len(lines) {
		n = bytes.LastIndexByte(lines[:n], '\n') + 1
		d.kept = append(d.kept, lines[:n]...)
		return n, errFull
	}
	d.kept = append(d.kept, lines...)
	return n, nil
}

func (*disk) close() error { return nil }

func TestAFullDiskIsToldAndRecoversByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		said, out := new(bytes.Buffer), &disk{room: 1000}
		l, err := Open(Config{Output: None})
		if err != nil {
			t.Fatal(err)
		}
		l.writer = newWriter(l, out, slog.New(slog.NewTextHandler(said, nil)))
		observe := func(n int) {
			for range n {
				l.Observe(t.Context(), admittedCall())
			}
			<-time.After(rest)
			synctest.Wait()
		}
		observe(writtenAtOnce)
		if s := l.Status(); !s.Failing || s.Lost != 0 {
			t.Errorf("status %+v while the disk is full", s)
		}
		observe(maxEntries + 10) // ten of which do not fit
		<-time.After(time.Minute)
		out.free(1 << 30)
		<-time.After(retryInterval)
		synctest.Wait()
		if s := l.Status(); s.Failing || s.Lost != 10 || s.Written != writtenAtOnce+maxEntries {
			t.Errorf("status %+v with room again", s)
		}
		observe(1)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(said.String(), "\n"); n != 2 || !strings.Contains(said.String(), "no space left") || !strings.Contains(said.String(), "written again") {
			t.Errorf("the log says %s", said)
		}
		path := filepath.Join(t.TempDir(), "kept")
		if err := os.WriteFile(path, out.kept, 0o600); err != nil {
			t.Fatal(err)
		}
		records, last, lost := lines(t, path), 0, 0
		for _, r := range records {
			if r.Lost > 0 {
				lost = int(r.Lost)
				continue
			}
			if n := number(t, r); n != last+1+lost {
				t.Fatalf("%d comes after %d and %d that were lost", n, last, lost)
			} else {
				last, lost = n, 0
			}
		}
		if last != writtenAtOnce+maxEntries+11 {
			t.Errorf("the last is %d", last)
		}
	})
}

func TestClosingDoesNotWaitForAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Config{Output: None})
		if err != nil {
			t.Fatal(err)
		}
		l.writer = newWriter(l, new(disk), slog.New(slog.DiscardHandler))
		for range 1000 {
			l.Observe(t.Context(), admittedCall())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if s := l.Status(); s.Lost != 1000 || s.Written != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// stuck takes nothing, as a pipe that is not read.
type stuck chan struct{}

func (s stuck) write([]byte) (int, error) {
	<-s
	return 0, errFull
}

func (stuck) close() error { return nil }

func TestClosingDoesNotWaitForAPipeThatIsNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Config{Output: None})
		if err != nil {
			t.Fatal(err)
		}
		pipe := make(stuck)
		l.writer = newWriter(l, pipe, slog.New(slog.DiscardHandler))
		l.Observe(t.Context(), admittedCall())
		watcher := l.Watch()
		<-time.After(rest)
		start := time.Now()
		l.Observe(t.Context(), admittedCall())
		if records, _, _, _ := watcher.Next(); len(records) != 1 {
			t.Errorf("a watcher has got %d records", len(records))
		}
		watcher.Close()
		if err := l.Close(); err == nil {
			t.Error("nothing says that records are lost")
		}
		if took := time.Since(start); took != closeTimeout {
			t.Errorf("it took %v", took)
		}
		close(pipe)
	})
}

func TestStrangersAreSampledAndCountedExactly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Config{Output: None})
		if err != nil {
			t.Fatal(err)
		}
		w := l.Watch()
		defer w.Close()
		const calls = 1000
		for i := range calls {
			l.Observe(t.Context(), refusedCall(auth.TokenMissing, false))
			d := refusedCall(auth.SignatureInvalid, false)
			d.Procedure = fmt.Sprintf("/acme.note.v1.NoteService/Get%d", i%2)
			l.Observe(t.Context(), d)
			l.Observe(t.Context(), refusedCall(auth.TokenExpired, true))
			l.Observe(t.Context(), auth.Decision{Procedure: "/public", Protocol: "http"})
		}
		<-time.After(interval)
		synctest.Wait()
		counts, records := map[string]int64{}, map[string]int{}
		for {
			page, missed, _, _ := w.Next()
			if missed > 0 {
				t.Fatalf("missed %d", missed)
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				key := r.Procedure + " " + r.Outcome + " " + r.Reason
				counts[key] += r.Count
				records[key]++
				if (r.Count > 1) != (r.ID == "" && r.Peer == "") {
					t.Errorf("a record of %d has the id %q and the peer %q", r.Count, r.ID, r.Peer)
				}
			}
		}
		for key, want := range map[string][2]int{
			"/acme.note.v1.NoteService/Get refused TOKEN_MISSING":      {calls, maxAlike + 1},
			"/acme.note.v1.NoteService/Get0 refused SIGNATURE_INVALID": {calls / 2, maxAlike + 1},
			"/acme.note.v1.NoteService/Get1 refused SIGNATURE_INVALID": {calls / 2, maxAlike + 1},
			"/acme.note.v1.NoteService/Get refused TOKEN_EXPIRED":      {calls, calls},
			"/public admitted ": {calls, maxAlike + 1},
		} {
			if counts[key] != int64(want[0]) || records[key] != want[1] {
				t.Errorf("%s: %d in %d records; want %v", key, counts[key], records[key], want)
			}
			delete(counts, key)
		}
		if len(counts) > 0 {
			t.Errorf("also %v", counts)
		}
	})
}

func TestManyProceduresOfStrangersAreCountedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Config{Output: None})
		if err != nil {
			t.Fatal(err)
		}
		w := l.Watch()
		defer w.Close()
		for i := range 2 * maxKinds {
			d := refusedCall(auth.TokenMissing, false)
			d.Procedure = strconv.Itoa(i)
			l.Observe(t.Context(), d)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		var all []*Record
		for {
			page, _, _, _ := w.Next()
			if len(page) == 0 {
				break
			}
			all = append(all, page...)
		}
		if last := all[len(all)-1]; len(all) != maxKinds+maxAlike+1 || last.Count != maxKinds-maxAlike || last.Procedure != "" {
			t.Errorf("%d records, the last is %+v", len(all), last)
		}
	})
}

// TestTheLongestRecordsFitIntoTheSmallestFile writes more of them at once than a file holds.
func TestTheLongestRecordsFitIntoTheSmallestFile(t *testing.T) {
	t.Parallel()
	l, said := opened(t, filepath.Join(t.TempDir(), "decisions.jsonl"))
	long := strings.Repeat("\x01", 2*maxCause) // each byte of which is escaped by six
	d := admittedCall()
	d.Identity = &auth.Identity{
		Issuer: long, Subject: long, SessionID: long, TokenID: long, ClientID: long, AuthorizedParty: long, RawClaims: "{}",
		Organization: auth.Organization{ID: long}, Actor: &auth.Actor{Issuer: long, Subject: long, SessionID: long, Type: long},
	}
	d.Refusal = &auth.Error{Reason: auth.RoleRequired, Cause: errors.New(long)}
	const all = 50
	for range all {
		l.Observe(t.Context(), d)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s := l.Status(); s.Written != all || s.Lost != 0 || s.Failing {
		t.Errorf("status %+v: %s", s, said)
	}
}
