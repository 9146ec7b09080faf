#!/usr/bin/env perl
# Broadcast on select: one loop asks the kernel which sockets are ready, and calls their handlers.
#
# Order: a handler that has read whole messages appends them to the outboxes of all clients: that is the
# common order.
# A slow client: its outbox is sent when the kernel has room for it. While it holds more than LIMIT
# bytes, the client misses new messages. So does every client in a turn of the loop that reads more than
# that. No client waits for another.
use v5.36;
use IO::Select;
use IO::Socket::IP;
use Socket qw(AI_PASSIVE IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime);

use constant BACKLOG  => 1024;
use constant CHUNK    => 64 * 1024;     # bytes per read: thousands of messages, yet small enough to be fair
use constant LIMIT    => 256 * 1024;    # a client with more unsent bytes misses new messages
use constant RETRY_S  => 0.1;           # how long to wait for a descriptor when there is none left
use constant LINGER_S => 10;            # for a client that has closed its sending side to read what is unsent

my %room;                              # all clients, by the file numbers of their sockets
my $readers = IO::Select->new;         # the sockets to watch for input
my $writers = IO::Select->new;         # ... or for room to write
my @lingering;                         # clients that left with something unsent; the first is due first

sub serve ($client) {
    my $data = $client->{rest};
    my $got  = sysread $client->{socket}, $data, CHUNK, length $data;
    return if !defined $got && ( $!{EAGAIN} || $!{EINTR} );
    my $end = whole_messages($data);
    broadcast( substr $data, 0, $end ) if $end;
    $client->{rest} = substr $data, $end;
    leave($client) if !$got;    # a reset ends a connection just as an end of stream does
}

sub leave ($client) {
    $client->{leaving} = 1;
    $readers->remove( $client->{socket} );
    return close_connection($client) if $client->{outbox} eq '';
    $client->{deadline} = clock_gettime(CLOCK_MONOTONIC) + LINGER_S;    # it may never read
    push @lingering, $client;
}

# Disconnect clients at their deadlines. Return the seconds until the next one, or undef if nobody lingers.
sub give_up () {
    while ( my $client = $lingering[0] ) {
        if ( $client->{socket}->opened ) {    # else it has read all
            my $left = $client->{deadline} - clock_gettime(CLOCK_MONOTONIC);
            return $left if $left > 0;
            $writers->remove( $client->{socket} );
            close_connection($client);
        }
        shift @lingering;
    }
    return;
}

# Send what the kernel takes of the outbox; the rest is sent when it has room again.
sub write_some ($client) {
    my $sent = syswrite $client->{socket}, $client->{outbox};
    return if !defined $sent && ( $!{EAGAIN} || $!{EINTR} );
    substr( $client->{outbox}, 0, $sent // length $client->{outbox} ) = '';    # a reset ends reading, too
    return if $client->{outbox} ne '';
    $writers->remove( $client->{socket} );
    close_connection($client) if $client->{leaving};
}

sub close_connection ($client) {
    delete $room{ fileno $client->{socket} };
    close $client->{socket};
}

# The length of the longest prefix of the data that consists of whole messages.
sub whole_messages ($data) {
    my ( $end, $size ) = ( 0, length $data );
    while ( $end < $size ) {
        my $following = $end + 1 + ord substr $data, $end, 1;
        last if $following > $size;
        $end = $following;
    }
    return $end;
}

# Append these messages to the common order.
sub broadcast ($batch) {
    for my $client ( values %room ) {
        offer( $client, $batch ) if !$client->{leaving};
    }
}

# Drop policy: a client gets all of the batch, or none of it if it is too far behind.
sub offer ( $client, $batch ) {
    return if length $client->{outbox} > LIMIT;
    $writers->add( $client->{socket} ) if $client->{outbox} eq '';
    $client->{outbox} .= $batch;
}

# Return whether all waiting connections were accepted; otherwise no descriptor is left.
sub accept_clients ($listener) {
    while ( my $socket = $listener->accept ) {
        $socket->blocking(0);
        $room{ fileno $socket } = { socket => $socket, rest => '', outbox => '', leaving => 0 };
        $readers->add($socket);
    }
    return $!{EAGAIN};
}

# Wait until some sockets are ready, and call their handlers.
sub turn ($listener) {
    state $resting = 0;    # the listener is not watched until the next turn
    my $wait = $resting ? RETRY_S : give_up();
    my ( $readable, $writable ) = IO::Select->select( $readers, $writers, undef, $wait );
    $readers->add($listener) if $resting;
    $resting = 0;
    for my $socket (@$writable) {
        write_some( $room{ fileno $socket } );
    }
    for my $socket (@$readable) {
        if ( $socket != $listener ) {
            serve( $room{ fileno $socket } );
        }
        elsif ( !accept_clients($listener) ) {    # select would return at once, so stop watching
            $readers->remove($listener);
            $resting = 1;
        }
    }
}

# The rest is the same in every server: the address, and how to end (SIGTERM needs no handler: nothing needs saving).

sub main ( $host, $port ) {
    $SIG{PIPE} = 'IGNORE';    # a write to a closed connection is an error, and no more
    my $shown    = $host =~ /:/ ? "[$host]" : $host;
    my $listener = IO::Socket::IP->new(
        LocalHost => $host,
        LocalPort => $port,
        Listen    => BACKLOG,
        ReuseAddr => 1,
        # The default, AI_ADDRCONFIG, refuses [::1] where no interface but lo has IPv6, as in most containers.
        GetAddrInfoFlags => AI_PASSIVE,
    );
    if ( !$listener ) {
        say STDERR "cannot listen on $shown:$port: $@";
        exit 1;
    }
    $listener->blocking(0);
    setsockopt $listener, IPPROTO_TCP, TCP_NODELAY, 1;    # its connections inherit it
    STDOUT->autoflush;
    say "listening on $shown:", $listener->sockport;
    $readers->add($listener);
    turn($listener) while 1;
}

sub parse_address (@arguments) {
    my $pattern = qr/(?:\[([^]]*:[^]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})/a;
    if ( @arguments != 1 || $arguments[0] !~ /\A$pattern\z/ || $3 > 65535 ) {
        say STDERR 'usage: broadcast.pl HOST:PORT (IPv6: [HOST]:PORT)';
        exit 2;
    }
    return ( $1 // $2, $3 );
}

main( parse_address(@ARGV) );
