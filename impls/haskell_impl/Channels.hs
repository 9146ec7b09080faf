{-# LANGUAGE DeriveGeneric #-}
{-# LANGUAGE OverloadedStrings #-}

-- Channels in Haskell: green threads, and memory that they share in transactions.
--
-- Order: every connection's thread puts its requests into one queue, and one thread, the only one that knows
-- the channels, obeys them one after the other. Replies go the same way.
-- A slow client: only its own two threads wait for it. While more than `limit` bytes are unsent, it misses
-- new messages, and while its replies make it twice as many, its requests wait.
module Main (main) where

import Control.Concurrent (forkFinally, threadDelay)
import Control.Concurrent.Async (link, race_, waitCatch, withAsync)
import Control.Concurrent.STM
import Control.Exception (IOException, bracketOnError, evaluate, finally, handle, try)
import Control.Monad (foldM, forM_, forever, unless, void, when)
import Data.Aeson hiding (Error)
import Data.Bifunctor (first)
import qualified Data.ByteString as B
import Data.ByteString.Lazy (toStrict)
import Data.IORef
import qualified Data.Map.Strict as Map
import qualified Data.Set as Set
import Data.Text (Text, pack)
import Data.Unique (Unique, newUnique)
import GHC.Generics (Generic)
import Network.Socket
import Network.Socket.ByteString (recv, sendMany)
import System.Environment (getArgs)
import System.Exit (ExitCode (..), exitWith)
import System.IO (hFlush, hPutStrLn, stderr, stdout)
import System.Timeout (timeout)
import Text.Read (readMaybe)

backlog, chunk, longest, fewCharacters, limit, cell, waiting, retryUs, lingerUs, pauseUs :: Num a => a
backlog = 1024
chunk = 4 * 1024 -- bytes per read
longest = 64 * 1024 -- bytes of the longest request, including its line feed
fewCharacters = 200 -- characters of the parser's message, which names each of sixty thousand nested lists
limit = 256 * 1024 -- a client with more unsent bytes misses new messages
cell = 64 -- bytes that a line takes in an outbox beyond its own
waiting = 64 -- events in the room's queue; when it is full, readers wait
retryUs = 100 * 1000 -- how long to wait for a descriptor when there is none left
lingerUs = 10 * 1000 * 1000 -- for a client that has closed its sending side to read what is unsent
pauseUs = 30 * 1000 * 1000 -- for a client with too many unsent replies to read them

data Post = Post {channel :: Text, message :: Text} deriving (Generic)

data Request = Subscribe Text | Send Post deriving (Generic)

data Reply = Subscribed Text | Message Post | Error Text deriving (Generic)

instance FromJSON Post
instance ToJSON Post
instance FromJSON Request where parseJSON = genericParseJSON asInSerde
instance ToJSON Reply where toEncoding = genericToEncoding asInSerde

asInSerde :: Options
asInSerde = defaultOptions{sumEncoding = ObjectWithSingleField} -- {"Subscribe": "rust"}

data Client = Client
    { identity :: Unique
    , connection :: Socket
    , mine :: IORef (Set.Set Text) -- the channels that it has subscribed to; the room's thread alone uses it
    , outbox :: TQueue B.ByteString
    , unsent :: TVar Int -- bytes in the outbox or being written
    , leaving :: TVar Bool
    , written :: TVar Bool -- the writing thread has ended
    }

data Event = Asked Client [Either Text Request] | Leaves Client

type Events = TBQueue Event

type Channels = Map.Map Text (Map.Map Unique Client) -- the subscribers of the channels that have any

-- One connection. Its socket is closed only when neither thread uses it any more: `withAsync` ends the writer first.
serve :: Events -> Socket -> IO ()
serve events connected = do
    client <-
        Client <$> newUnique <*> pure connected <*> newIORef Set.empty <*> newTQueueIO <*> newTVarIO 0 <*> newTVarIO False
            <*> newTVarIO False
    withAsync (write client) $ \writer -> do
        link writer -- an exception there ends this thread as well
        ignoringReset (readRequests events client B.empty False)
            `finally` atomically (writeTBQueue events (Leaves client))
        void (timeout lingerUs (waitCatch writer)) -- it may never read

-- Pass on the requests of the lines that have arrived together, until the end of the stream.
-- `rest` is the beginning of a line, unless it is too long: then it is skipped.
readRequests :: Events -> Client -> B.ByteString -> Bool -> IO ()
readRequests events client rest skipping = do
    got <- recv (connection client) chunk
    unless (B.null got) $ do
        let (requests, unfinished, tooLong) = nextLines rest skipping got
        mapM_ evaluate requests -- decode them here: as thunks they would be decoded in the room's thread
        pause client
        unless (null requests) $ atomically (writeTBQueue events (Asked client requests))
        kept <- evaluate (B.copy unfinished) -- a copy, and now, so that what was read can be freed
        readRequests events client kept $! tooLong

nextLines :: B.ByteString -> Bool -> B.ByteString -> ([Either Text Request], B.ByteString, Bool)
nextLines rest skipping got = case B.elemIndex 10 got of
    Nothing
        | skipping || B.length rest + B.length got >= longest -> ([], B.empty, True)
        | otherwise -> ([], rest <> got, False)
    Just end -> (request : requests, unfinished, tooLong)
      where
        request
            | skipping || B.length rest + end >= longest = Left "a request has at most 65,536 bytes"
            | otherwise = first (pack . take fewCharacters) (eitherDecodeStrict' (rest <> B.take end got))
        (requests, unfinished, tooLong) = nextLines B.empty False (B.drop (end + 1) got)

-- Wait while the client does not read the replies to its requests, but not longer than its writer lives; and
-- not for ever, because the end of its stream is not seen meanwhile.
pause :: Client -> IO ()
pause client =
    timeout pauseUs (atomically fewer) >>= maybe (ioError (userError "the client does not read its replies")) pure
  where
    fewer = (check . (<= 2 * limit) =<< readTVar (unsent client)) `orElse` (check =<< readTVar (written client))

-- Send the outbox, all that it holds at a time, until the client has left and all is sent.
write :: Client -> IO ()
write client = ignoringReset sending `finally` atomically (writeTVar (written client) True)
  where
    sending = do
        batches <- atomically $ do
            batches <- flushTQueue (outbox client)
            gone <- readTVar (leaving client)
            check (gone || not (null batches))
            pure batches
        unless (null batches) $ do
            sendMany (connection client) batches
            atomically (modifyTVar' (unsent client) (subtract (sum (map cost batches))))
            sending

-- A reset ends a connection just as an end of stream does.
ignoringReset :: IO () -> IO ()
ignoringReset = handle (\problem -> const (pure ()) (problem :: IOException))

-- The room: the only thread that knows the channels.
broadcast :: Events -> IO ()
broadcast events = from Map.empty
  where
    from channels = do
        event <- atomically (readTBQueue events)
        from =<< case event of
            Asked client requests -> foldM (obey client) channels requests
            Leaves client -> leave client channels

obey :: Client -> Channels -> Either Text Request -> IO Channels
obey client channels request = case request of
    Left problem -> channels <$ send client (line (Error problem))
    Right (Subscribe name) -> do
        send client (line (Subscribed name))
        modifyIORef' (mine client) (Set.insert name)
        pure $! Map.insertWith Map.union name (Map.singleton (identity client) client) channels
    Right (Send post) -> case Map.lookup (channel post) channels of
        Nothing -> channels <$ send client (line (Error ("no such channel: " <> channel post)))
        Just subscribers -> do
            let delivery = line (Message post)
            channels <$ forM_ subscribers (`offer` delivery)

-- Remove the client, and the channels that have no other subscriber.
leave :: Client -> Channels -> IO Channels
leave client channels = do
    names <- readIORef (mine client)
    atomically (writeTVar (leaving client) True)
    pure $! foldr (Map.update without) channels names
  where
    without subscribers = if Map.null (others subscribers) then Nothing else Just (others subscribers)
    others = Map.delete (identity client)

-- Drop policy: a client that is too far behind misses the message.
offer :: Client -> B.ByteString -> IO ()
offer client delivery = do
    behind <- readTVarIO (unsent client)
    when (behind <= limit) (send client delivery) -- only this thread adds to it

send :: Client -> B.ByteString -> IO ()
send client reply = atomically $ do
    ended <- readTVar (written client) -- then nobody would take it from the outbox
    unless ended $ do
        writeTQueue (outbox client) reply
        modifyTVar' (unsent client) (+ cost reply)

cost :: B.ByteString -> Int
cost reply = cell + B.length reply

line :: Reply -> B.ByteString
line reply = toStrict (encode reply) `B.snoc` 10

accepting :: Events -> Socket -> IO ()
accepting events listener = forever . handle noDescriptor $
    bracketOnError (fst <$> accept listener) close $ \connected ->
        void (forkFinally (serve events connected) (const (close connected)))
  where
    noDescriptor :: IOException -> IO ()
    noDescriptor _ = threadDelay retryUs

-- The address, and what happens at the start.

main :: IO ()
main = do
    (host, port) <- parseAddress =<< getArgs
    let shown = if ':' `elem` host then "[" ++ host ++ "]" else host
    opened <- try (listenOn host port)
    case opened of
        Left problem -> do
            hPutStrLn stderr ("cannot listen on " ++ shown ++ ":" ++ show port ++ ": " ++ show (problem :: IOException))
            exitWith (ExitFailure 1)
        Right listener -> do
            real <- socketPort listener
            putStrLn ("listening on " ++ shown ++ ":" ++ show real)
            hFlush stdout
            events <- newTBQueueIO waiting
            race_ (broadcast events) (accepting events listener) -- if either fails, both end

listenOn :: HostName -> PortNumber -> IO Socket
listenOn host port = do
    let hints = defaultHints{addrFlags = [AI_PASSIVE], addrSocketType = Stream}
    address : _ <- getAddrInfo (Just hints) (Just host) (Just (show port))
    bracketOnError (openSocket address) close $ \listener -> do
        setSocketOption listener ReuseAddr 1
        setSocketOption listener NoDelay 1 -- its connections inherit it
        bind listener (addrAddress address)
        listen listener backlog
        pure listener

parseAddress :: [String] -> IO (HostName, PortNumber)
parseAddress arguments = case map (break (== ']')) arguments of
    [('[' : host, ']' : ':' : port)] | ':' `elem` host -> checked host port
    [(address, "")] | (host, ':' : port) <- break (== ':') address, '[' `notElem` host -> checked host port
    _ -> usage
  where
    checked host port = case readMaybe port :: Maybe Int of
        Just number | not (null host) && isPort && number <= 65535 -> pure (host, fromIntegral number)
        _ -> usage
      where
        isPort = length port <= 5 && all (`elem` ['0' .. '9']) port
    usage = do
        hPutStrLn stderr "usage: channels HOST:PORT (IPv6: [HOST]:PORT)"
        exitWith (ExitFailure 2)
