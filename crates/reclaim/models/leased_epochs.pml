/* Leased epochs: tick, lease, sweep and bound, for spin. Run by .ci/models; README.md beside it maps it to the code.
 *
 *   root ──▶ parent ──▶ child          a retirer replaces the child, or the parent with its child; nodes are never used again
 *
 * Memory is that of a machine with store buffers (TSO). A reader's stores to its reservation wait in a buffer: its light fence is
 * a compiler fence, nothing here. The heavy fence (membarrier) empties the readers' buffers, one after the other. The retirer's
 * unlink waits in a buffer of its own, which its fence before sealing empties. Who stalls, stalls in every prefix of every run.
 *
 * Checked:  H  what a reader holds (loaded and tested under its guard) is not freed, and what it comes to hold has not been;
 *           B  with BOUND: retired and not freed <= BOUND, at any time.
 * Taken out by -D: NO_HANDSHAKE NO_SEAL_FENCE NO_LOAD_TEST EXTEND_IN_PLACE LATE_BIRTH NO_FENCED_TEST SCAN_FIRST CLASSIC.
 * -DWITNESS: claims that nothing is ever freed beside a reader that holds something; refuted, or H would say nothing.
 */
#ifndef READERS
#define READERS 1
#endif
#ifndef OPS
#define OPS 4          /* replacements by the retirer */
#endif
#ifndef OTHERS
#define OTHERS 2       /* ticks and heavy fences by other threads */
#endif
#ifndef LEASE
#define LEASE 1        /* Builder::lease_ticks */
#endif
#ifndef BATCH
#define BATCH 1        /* Builder::batch_len, R */
#endif
#ifndef PINS
#define PINS 2
#endif
#ifndef RENEWALS
#define RENEWALS 1
#endif

#define NODES (2 + OPS)
#define NIL   99
#define ROOT  98
#define IDLE  255
#define FOREVER 254

mtype = { LOWER, UPPER };
mtype:node = { UNBORN, LINKED, OPEN, SEALED, FREED };

byte epoch = 1;                 /* Inner::epoch */
byte fenced = 0;                /* Inner::fenced */
byte lower[READERS];            /* Reservation, as others see it */
byte upper[READERS];
chan buffer[READERS] = [3] of { mtype, byte };
chan unlinks = [1] of { byte, byte };

byte root = 0;
byte next[NODES];
byte birth[NODES];
byte retired_at[NODES];
mtype:node state[NODES];
int held[READERS];              /* a bit a node */
byte unreclaimed = 0;

inline land(me, word, value) {  /* a buffered store reaches memory */
  if
  :: word == LOWER -> lower[me] = value
  :: else -> upper[me] = value
  fi
}

proctype Buffer(byte me) {
  mtype word; byte value;
end:
  do
  :: atomic { buffer[me]?word, value -> land(me, word, value); word = LOWER; value = 0 }
  od
}

proctype Unlinks() {
  byte at, what;
end:
  do
  :: atomic { unlinks?at, what -> if :: at == ROOT -> root = what :: else -> next[at] = what fi; at = 0; what = 0 }
  od
}

/* Fences::heavy, then `fenced` as in Inner::fence_now. The caller's own stores have landed. */
inline heavy(seen, i, word, value) {
  atomic { seen = epoch; i = 0 };
  do
  :: atomic {
      i < READERS ->
#ifndef NO_HANDSHAKE
      do :: buffer[i]?word, value -> land(i, word, value) :: empty(buffer[i]) -> break od;
      word = LOWER; value = 0;
#endif
      i++
    }
  :: atomic { i == READERS -> i = 0; if :: seen > fenced -> fenced = seen :: else fi; seen = 0; break }
  od
}

/* Guard::birth and a tick's compare-exchange. */
inline tick_from(seen) {
  atomic { if :: epoch == seen -> epoch++ :: else fi }
}

inline hold(p) {
  assert(state[p] != FREED);
  held[me] = held[me] | (1 << p)
}

#ifdef NO_LOAD_TEST
#define WITHIN_LEASE true
#else
#define WITHIN_LEASE epoch <= up
#endif

/* Guard::renew: the lease at least doubles, from now on. */
inline renew() {
  atomic { renewals++; up = epoch + 2 * (up - low) + (up == low -> 1 : 0) };
  buffer[me]!UPPER, up
}

proctype Reader(byte me) {
  byte pins, renewals, low, up, p, c;
  do
  :: pins < PINS ->
    atomic { pins++; low = epoch; up = low + LEASE; renewals = 0 };   /* Inner::announce */
#ifdef CLASSIC
    up = FOREVER;
#endif
    buffer[me]!UPPER, up;
    buffer[me]!LOWER, low;
from_root:
    p = root;                                                        /* Guard::protect */
    if
    :: atomic { WITHIN_LEASE -> hold(p) }
    :: !(WITHIN_LEASE) && renewals < RENEWALS -> renew(); goto from_root
    :: !(WITHIN_LEASE) && renewals == RENEWALS -> goto unpin
    fi;
inside:
    c = next[p];                                                     /* Guard::follow */
    if
    :: c == NIL
    :: atomic { c != NIL && (WITHIN_LEASE) -> hold(c) }
    :: c != NIL && !(WITHIN_LEASE) && renewals < RENEWALS ->
      renew();
#ifdef EXTEND_IN_PLACE
      goto inside
#else
      goto from_root
#endif
    :: c != NIL && !(WITHIN_LEASE) && renewals == RENEWALS
    fi;
unpin:
    atomic { held[me] = 0; p = 0; c = 0; up = 0 };
    buffer[me]!LOWER, IDLE
  :: else -> break
  od
}

inline retire(n) {
  state[n] = OPEN; open++; unreclaimed++
}

inline linked() {
  state[n] = LINKED; made++; n = 0; seen = 0
}

/* Reservation::read of everybody: two loads each, a pair may be torn. */
inline scan() {
  do
  :: atomic { i < READERS -> lows[i] = lower[i] }; atomic { ups[i] = upper[i]; i++ }
  :: atomic { i == READERS -> i = 0; break }
  od
}

/* Summary::covering: the largest upper end among readers with lower <= at; 0 when there is none. */
inline cover(at) {
  m = 0; j = 0;
  do
  :: j < READERS -> if :: lows[j] != IDLE && lows[j] <= at && ups[j] > m -> m = ups[j] :: else fi; j++
  :: else -> break
  od
}

inline free_uncovered() {
  k = 0;
  do
  :: k < NODES ->
    if
#ifdef NO_FENCED_TEST
    :: state[k] == SEALED ->
#else
    :: state[k] == SEALED && retired_at[k] < seen ->
#endif
      cover(retired_at[k]);
      if
      :: birth[k] > m ->                                             /* birth is never 0: also when nobody covers it */
        j = 0;
        do
        :: j < READERS ->
          assert(!(held[j] & (1 << k)));                             /* H */
#ifdef WITNESS
          assert(!held[j]);
#endif
          j++
        :: else -> break
        od;
        state[k] = FREED; unreclaimed--
      :: else
      fi
    :: else
    fi;
    k++
  :: else -> break
  od;
  j = 0; k = 0; m = 0
}

proctype Retirer() {
  byte made = 2, births, parent = 0, child = 1, born_in, sealed_in, open, seen, i, value, n, m, j, k;
  byte lows[READERS], ups[READERS];
  mtype word;
  do
  :: atomic {
      made < NODES -> n = made;
#ifndef LATE_BIRTH
      seen = epoch; birth[n] = seen;
      if :: seen != born_in -> births = 0 :: else fi;
      births++; born_in = seen
#endif
    };
#ifndef LATE_BIRTH
    if :: births >= BATCH -> tick_from(seen) :: births < BATCH fi;
#endif
    if                                                               /* the swap that unlinks */
    :: atomic { unlinks!parent, n; if :: child != NIL -> retire(child) :: else fi; child = n; linked() }
    :: atomic { unlinks!ROOT, n; retire(parent); if :: child != NIL -> retire(child) :: else fi; parent = n; child = NIL; linked() }
    fi;
#ifdef LATE_BIRTH
    birth[made - 1] = epoch;
#endif
#ifdef BOUND
    assert(unreclaimed <= BOUND);                                    /* B */
#endif
    if
    :: open >= BATCH ->
#ifdef SCAN_FIRST
      scan();
#endif
#ifndef NO_SEAL_FENCE
      empty(unlinks);                                                /* Inner::seal */
#endif
      d_step {
        seen = epoch; k = 0;
        do
        :: k < NODES -> if :: state[k] == OPEN -> state[k] = SEALED; retired_at[k] = seen :: else fi; k++
        :: else -> break
        od;
        k = 0; open = 0
      };
      if :: sealed_in == seen || sealed_in == 0 -> tick_from(seen) :: sealed_in != seen && sealed_in != 0 fi;
      atomic { sealed_in = seen; seen = 0 };
      if                                                             /* Inner::sweep: whose fence? */
      :: fenced <= sealed_in -> empty(unlinks); heavy(seen, i, word, value)
      :: fenced > sealed_in
#if OTHERS > 0
      :: true                                                        /* somebody else is at it */
#endif
      fi;
      seen = fenced;
#ifndef SCAN_FIRST
      scan();
#endif
      atomic { free_uncovered(); seen = 0; i = 0; do :: i < READERS -> lows[i] = 0; ups[i] = 0; i++ :: else -> break od; i = 0 }
    :: else
    fi
  :: else -> break
  od
}

/* Other threads: births that tick, and heavy fences. */
proctype Others() {
  byte steps, seen, i, value; mtype word;
  do
  :: atomic { steps < OTHERS -> steps++; epoch++ }
  :: atomic { steps < OTHERS -> steps++ }; heavy(seen, i, word, value)
  :: steps == OTHERS -> break
  od
}

init {
  byte i;
  atomic {
    i = 0;
    do :: i < NODES -> next[i] = NIL; state[i] = UNBORN; i++ :: else -> break od;
    next[0] = 1; birth[0] = 1; birth[1] = 1; state[0] = LINKED; state[1] = LINKED;
    i = 0;
    do :: i < READERS -> lower[i] = IDLE; run Buffer(i); run Reader(i); i++ :: else -> break od;
    i = 0;
    run Unlinks(); run Retirer();
#if OTHERS > 0
    run Others()
#endif
  }
}
