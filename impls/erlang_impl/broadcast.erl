%% Broadcast in Erlang: a process per connection, and one that is the room.
%%
%% Order: every connection's process passes its whole messages to the room, which hands one batch to
%% all sockets before it takes the next: that is the common order.
%% A slow client: its port has its own queue, and is busy from ?LIMIT bytes on. The room does not wait
%% for a busy port: the client misses new batches, always as whole messages.
-module(broadcast).
-behaviour(gen_event).

-export([main/0]).
-export([init/1, handle_event/2, handle_call/2]).

-define(BACKLOG, 1024).
-define(FEW_BYTES, 4 * 1024). % first read: ten thousand idle clients must not cost a gigabyte
-define(CHUNK, 64 * 1024). % largest read: thousands of messages, yet small enough to be fair
-define(LIMIT, 256 * 1024). % a client with more unsent bytes misses new batches
-define(RETRY_MS, 100). % how long to wait for a descriptor when there is none left

main() ->
    {Host, Port} = parse_address(init:get_plain_arguments()),
    ok = gen_event:swap_handler(erl_signal_server, {erl_signal_handler, []}, {?MODULE, []}),
    {Family, Shown} =
        case lists:member($:, Host) of
            true -> {inet6, "[" ++ Host ++ "]"};
            false -> {inet, Host}
        end,
    Address = inet:getaddr(Host, Family),
    case listen(Address, Port, Family) of
        {ok, Listener} ->
            {ok, Real} = inet:port(Listener),
            Room = spawn_link(fun() -> room(#{}, [], 0) end),
            io:format("listening on ~s:~b~n", [Shown, Real]),
            accept(Listener, Room);
        {error, Reason} ->
            io:format(standard_error, "cannot listen on ~s:~b: ~s~n", [Shown, Port, inet:format_error(Reason)]),
            halt(1)
    end.

listen({error, Reason}, _Port, _Family) ->
    {error, Reason};
listen({ok, Address}, Port, Family) ->
    gen_tcp:listen(Port, [
        Family, binary, {ip, Address}, {active, false}, {reuseaddr, true}, {nodelay, true}, {backlog, ?BACKLOG},
        {buffer, ?FEW_BYTES}, {high_watermark, ?LIMIT}, {low_watermark, ?LIMIT div 2}
    ]).

accept(Listener, Room) ->
    case gen_tcp:accept(Listener) of
        {ok, Socket} ->
            Client = spawn(fun() -> receive go -> serve(Socket, Room) end end),
            _ = gen_tcp:controlling_process(Socket, Client), % the socket is closed when the client ends
            Client ! go;
        {error, _} -> % no descriptor is left, not even one to load the module timer with
            receive after ?RETRY_MS -> ok end
    end,
    accept(Listener, Room).

serve(Socket, Room) ->
    ok = call(Room, {join, Socket}),
    read_messages(Socket, Room, ?FEW_BYTES, <<>>),
    ok = call(Room, {leave, Socket}),
    gen_tcp:close(Socket). % waits for the unsent bytes, unless the client does not take them

%% Submit whole messages as they arrive, until the end of the stream; a reset is one too.
read_messages(Socket, Room, Size, Rest) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Chunk} ->
            Data = <<Rest/binary, Chunk/binary>>,
            {Whole, Unfinished} = split_binary(Data, whole_messages(Data, 0)),
            Whole =:= <<>> orelse call(Room, {submit, Whole}),
            read_messages(Socket, Room, grow(Socket, Size, byte_size(Chunk)), binary:copy(Unfinished));
        {error, _} ->
            ok
    end.

grow(Socket, Size, Size) when Size < ?CHUNK -> % there was more to read
    _ = inet:setopts(Socket, [{buffer, 2 * Size}]),
    2 * Size;
grow(_Socket, Size, _Got) ->
    Size.

%% The length of the longest prefix of the data that consists of whole messages.
whole_messages(<<Size, _:Size/binary, Rest/binary>>, End) -> whole_messages(Rest, End + 1 + Size);
whole_messages(_, End) -> End.

%% A client's process waits until the room has received its request, so each has at most one in flight.
call(Room, Request) ->
    Room ! {self(), Request},
    receive
        {Room, received} -> ok
    end.

%% The only process that knows the clients; it decides the order.
room(Sockets, Batch, Size) when Size >= ?CHUNK -> % a longer batch might make clients miss the next one
    broadcast(Sockets, Batch),
    room(Sockets, [], 0);
room(Sockets, Batch, Size) ->
    receive
        {Client, {submit, Messages}} ->
            Client ! {self(), received},
            room(Sockets, [Batch, Messages], Size + byte_size(Messages));
        {Client, {join, Socket}} ->
            Client ! {self(), received},
            room(Sockets#{Socket => joined}, Batch, Size);
        {Client, {leave, Socket}} ->
            % A leaving client still receives its own last messages.
            broadcast(Sockets, Batch),
            Client ! {self(), received},
            room(maps:remove(Socket, Sockets), [], 0);
        {inet_reply, _Socket, _Status} -> % the client's own process sees any error as well
            room(Sockets, Batch, Size)
    after wait(Batch) -> % no client is waiting
        broadcast(Sockets, Batch),
        room(Sockets, [], 0)
    end.

wait([]) -> infinity;
wait(_) -> 0.

%% Offer what is pending as one batch: one offer per client, however many clients have sent.
broadcast(_Sockets, []) ->
    ok;
broadcast(Sockets, Batch) ->
    Messages = iolist_to_binary(Batch),
    lists:foreach(fun(Socket) -> offer(Socket, Messages) end, maps:keys(Sockets)).

%% Drop policy: a client gets all of the batch, or none of it if it is too far behind.
offer(Socket, Batch) ->
    %% What gen_tcp:send/2 does, but without waiting for a busy port or for the inet_reply.
    try erlang:port_command(Socket, Batch, [nosuspend]) of
        _ -> ok
    catch
        error:badarg -> ok % it has been closed
    end.

parse_address([Argument]) ->
    Pattern = "^(?:\\[([^\\]]*:[^\\]]*)\\]|([^:\\[\\]]+)):(0|[1-9][0-9]{0,4})$",
    case re:run(Argument, Pattern, [{capture, all_but_first, list}, dollar_endonly]) of
        {match, [Bracketed, Bare, Port]} ->
            Number = list_to_integer(Port),
            if
                Number =< 65535 -> {Bracketed ++ Bare, Number};
                true -> usage()
            end;
        nomatch ->
            usage()
    end;
parse_address(_) ->
    usage().

usage() ->
    io:format(standard_error, "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)~n", []),
    halt(2).

%% An event handler for signals: nothing needs saving, and the kernel closes every connection. Without
%% the option, halt would wait for clients that do not read.
init(_) -> {ok, none}.
handle_event(sigterm, _) -> halt(0, [{flush, false}]);
handle_event(_, State) -> {ok, State}.
handle_call(_, State) -> {ok, ok, State}.
