%% Broadcast in Erlang: two processes per connection under supervisors, and a gen_server that is the room.
%%
%% Order: every connection's reader calls the room with its whole messages, and the room passes them to
%% all writers before it takes the next call. Messages between two processes keep their order.
%% A slow client: only its own writer waits for it. For each writer the room counts the bytes that it has
%% delivered and that are not reported as sent. While that is more than ?LIMIT, the client misses new
%% messages. A client that does not take one write within ?SEND_MS is disconnected, half-closed or not.
-module(broadcast).
-behaviour(gen_server). % the room; the supervisors are here as well, so that the server is one page

-export([main/0, start_client/1, start_acceptor/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(BACKLOG, 1024).
-define(READ, 8 * 1024). % the largest read, and the buffer of an idle client
-define(WRITE, 64 * 1024). % a longer write might hide how much the kernel has not taken: see offer/3
-define(LIMIT, 256 * 1024). % a client with more unsent bytes misses new messages
-define(MAIL, 64). % bytes that a batch takes in a writer's mailbox beyond its own
-define(SEND_MS, 30_000). % for a client to take what the port has queued of the write before
-define(RETRY_MS, 100). % how long to wait for a descriptor when there is none left

%% One connection: a process that reads, linked to one that writes. If either crashes, so does the other,
%% and the room, which monitors the writer, forgets the client.

start_client(Socket) ->
    {ok, proc_lib:spawn_link(fun() -> serve(Socket) end)}.

serve(Socket) ->
    Writer = proc_lib:spawn_link(fun() -> write(Socket) end),
    Watch = monitor(process, Writer),
    ok = gen_server:call(room, {join, Writer}, infinity),
    read(Socket, <<>>),
    Writer ! leave,
    receive
        {'DOWN', Watch, process, Writer, _} -> gen_tcp:close(Socket)
    end.

%% Submit whole messages as they arrive, until the end of the stream; a reset is one too.
read(Socket, Rest) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Chunk} ->
            Data = <<Rest/binary, Chunk/binary>>,
            {Whole, Unfinished} = split_binary(Data, whole_messages(Data, 0)),
            %% The call returns when the room has taken the batch, so that each reader has at most one in flight.
            Whole =:= <<>> orelse gen_server:call(room, {submit, Whole}, infinity),
            read(Socket, binary:copy(Unfinished));
        {error, _} ->
            ok
    end.

%% The length of the longest prefix of the data that consists of whole messages.
whole_messages(<<Size, _:Size/binary, Rest/binary>>, End) -> whole_messages(Rest, End + 1 + Size);
whole_messages(_, End) -> End.

%% Send what the room delivers, until the client leaves or takes no more.
write(Socket) ->
    receive
        {deliver, Batch} ->
            {Data, Cost} = take(Batch, cost(Batch)),
            case gen_tcp:send(Socket, Data) of
                ok ->
                    gen_server:cast(room, {sent, self(), Cost}),
                    write(Socket);
                {error, timeout} -> % the socket is closed, but its reader would wait for ever: end it as well
                    exit(shutdown);
                {error, _} -> % a reset, which the reader sees too
                    ok
            end;
        leave ->
            gen_tcp:send(Socket, <<>>) % returns when the port's own queue is empty, too, or after ?SEND_MS
    end.

%% Add what else is in the mailbox.
take(Data, Cost) when Cost >= ?WRITE ->
    {Data, Cost};
take(Data, Cost) ->
    receive
        {deliver, Batch} -> take([Data, Batch], Cost + cost(Batch))
    after 0 ->
        {Data, Cost}
    end.

cost(Batch) ->
    ?MAIL + byte_size(Batch).

%% The room: the only process that knows all clients. Its state is how many bytes are unsent, by writer.

handle_call({join, Writer}, _From, Room) ->
    monitor(process, Writer),
    {reply, ok, Room#{Writer => 0}};
handle_call({submit, Batch}, _From, Room) ->
    {reply, ok, maps:map(fun(Writer, Unsent) -> offer(Writer, Unsent, Batch) end, Room)}.

handle_cast({sent, Writer, Cost}, Room) ->
    {noreply, maps:update_with(Writer, fun(Unsent) -> Unsent - Cost end, Room)}.

handle_info({'DOWN', _, process, Writer, _}, Room) ->
    {noreply, maps:remove(Writer, Room)}.

%% Drop policy: a client gets all of the batch, or none of it if it is too far behind. gen_tcp:send/2 may
%% return while one write is still in the port's own queue, and that counts, too.
offer(_Writer, Unsent, _Batch) when Unsent > ?LIMIT - ?WRITE ->
    Unsent;
offer(Writer, Unsent, Batch) ->
    Writer ! {deliver, Batch},
    Unsent + cost(Batch).

%% The supervisors: if the room crashes, its clients are disconnected and a new room is started.

init({server, Listener}) ->
    {ok, {#{strategy => rest_for_one}, [
        #{id => room, start => {gen_server, start_link, [{local, room}, ?MODULE, room, []]}},
        #{id => clients, start => {supervisor, start_link, [{local, clients}, ?MODULE, clients]}, type => supervisor},
        #{id => acceptor, start => {?MODULE, start_acceptor, [Listener]}}
    ]}};
init(clients) ->
    Client = #{id => client, start => {?MODULE, start_client, []}, restart => temporary},
    {ok, {#{strategy => simple_one_for_one}, [Client]}};
init(room) ->
    {ok, #{}}.

start_acceptor(Listener) ->
    {ok, proc_lib:spawn_link(fun() -> accept(Listener) end)}.

accept(Listener) ->
    case gen_tcp:accept(Listener) of
        {ok, Socket} ->
            {ok, Client} = supervisor:start_child(clients, [Socket]),
            %% The socket is closed when its owner ends.
            gen_tcp:controlling_process(Socket, Client) =:= ok orelse gen_tcp:close(Socket);
        {error, _} -> % no descriptor is left
            timer:sleep(?RETRY_MS)
    end,
    accept(Listener).

%% The rest is the same in every server: the address, and how to end.

main() ->
    {Host, Port} = parse_address(init:get_plain_arguments()),
    %% Nothing needs saving. OTP's own handler would wait for clients that do not read.
    ok = os:set_signal(sigterm, default),
    %% By default crash reports go to standard output, where only the ready line belongs.
    ok = logger:remove_handler(default),
    ok = logger:add_handler(default, logger_std_h, #{config => #{type => standard_error}}),
    {Family, Shown} =
        case lists:member($:, Host) of
            true -> {inet6, "[" ++ Host ++ "]"};
            false -> {inet, Host}
        end,
    case listen(inet:getaddr(Host, Family), Port, Family) of
        {ok, Listener} ->
            {ok, _} = supervisor:start_link(?MODULE, {server, Listener}),
            {ok, Real} = inet:port(Listener),
            io:format("listening on ~s:~b~n", [Shown, Real]),
            timer:sleep(infinity);
        {error, Reason} ->
            io:format(standard_error, "cannot listen on ~s:~b: ~s~n", [Shown, Port, inet:format_error(Reason)]),
            halt(1)
    end.

listen({error, Reason}, _Port, _Family) ->
    {error, Reason};
listen({ok, Address}, Port, Family) ->
    gen_tcp:listen(Port, [
        Family, binary, {ip, Address}, {active, false}, {reuseaddr, true}, {nodelay, true}, {backlog, ?BACKLOG},
        {buffer, ?READ}, {send_timeout, ?SEND_MS}, {send_timeout_close, true},
        {exit_on_close, false}, % at the end of its stream, a client still gets what is unsent
        {high_watermark, 1}, {low_watermark, 0} % a send waits until the port has sent what the last one left
    ]).

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
