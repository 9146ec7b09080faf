-- Broadcast in Haskell: green threads, and memory that they share in transactions.
--
-- Order: every connection's thread puts its whole messages into one queue; what is taken from it goes to
-- all clients before the next is taken: that is the common order.
-- A slow client: only its own writing thread waits for it. While more than `limit` bytes are unsent,
-- the client misses new batches, always as whole messages.
module Main (main) where

import Control.Concurrent (forkFinally, threadDelay)
import Control.Concurrent.Async (link, race_, waitCatch, withAsync)
import Control.Concurrent.STM
import Control.Exception (IOException, bracket, bracketOnError, handle, try)
import Control.Monad (forM_, forever, unless, void, when)
import qualified Data.ByteString as B
import qualified Data.IntMap.Strict as IntMap
import Network.Socket
import Network.Socket.ByteString (recv, sendMany)
import System.Environment (getArgs)
import System.Exit (ExitCode (..), exitWith)
import System.IO (hFlush, hPutStrLn, stderr, stdout)
import System.Timeout (timeout)
import Text.Read (readMaybe)

backlog, fewBytes, chunk, limit, cell, waiting, retryUs, lingerUs :: Num a => a
backlog = 1024
fewBytes = 4 * 1024 -- first read: ten thousand idle clients must not cost a gigabyte
chunk = 64 * 1024 -- largest read: thousands of messages, yet small enough to be fair
limit = 256 * 1024 -- a client with more unsent bytes misses new batches
cell = 64 -- bytes that a batch takes in an outbox beyond its own
waiting = 64 -- batches in the room's queue; when it is full, readers wait
retryUs = 100 * 1000 -- how long to wait for a descriptor when there is none left
lingerUs = 10 * 1000 * 1000 -- for a client that has closed its sending side to read what is unsent

data Client = Client
    { connection :: Socket
    , outbox :: TQueue B.ByteString
    , unsent :: TVar Int -- bytes in the outbox or being written
    , leaving :: TVar Bool
    }

data Room = Room
    { clients :: TVar (IntMap.IntMap Client)
    , newest :: TVar Int -- the number of the client that joined last
    , received :: TBQueue B.ByteString -- whole messages
    }

-- One connection. Its socket is closed only when neither thread uses it any more: `withAsync` ends the writer first.
serve :: Room -> Socket -> IO ()
serve room connected = do
    client <- Client connected <$> newTQueueIO <*> newTVarIO 0 <*> newTVarIO False
    withAsync (write client) $ \writer -> do
        link writer -- an exception there ends this thread as well
        bracket (join room client) (leave room client) $ \_ ->
            ignoringReset (readMessages room connected fewBytes B.empty)
        void (timeout lingerUs (waitCatch writer)) -- it may never read

join :: Room -> Client -> IO Int
join room client = atomically $ do
    number <- (+ 1) <$> readTVar (newest room)
    writeTVar (newest room) number
    modifyTVar' (clients room) (IntMap.insert number client)
    pure number

leave :: Room -> Client -> Int -> IO ()
leave room client number = atomically $ do
    modifyTVar' (clients room) (IntMap.delete number)
    writeTVar (leaving client) True

-- Queue whole messages as they arrive, until the end of the stream.
readMessages :: Room -> Socket -> Int -> B.ByteString -> IO ()
readMessages room connected size rest = do
    got <- recv connected size
    unless (B.null got) $ do
        let (whole, unfinished) = wholeMessages (rest <> got)
        unless (B.null whole) $ atomically (writeTBQueue (received room) whole)
        -- A full read means that there was more to read. A copy of the rest, and at once ($!), so that the chunk can be freed.
        readMessages room connected (if B.length got == size then min chunk (2 * size) else size) $! B.copy unfinished

-- Send the outbox, all that it holds at a time, until the client has left and all is sent.
write :: Client -> IO ()
write client = ignoringReset sending -- reading fails too, and ends the connection
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

-- Split data after the longest prefix that consists of whole messages.
wholeMessages :: B.ByteString -> (B.ByteString, B.ByteString)
wholeMessages bytes = B.splitAt (from 0) bytes
  where
    from end
        | end < B.length bytes && following end <= B.length bytes = from (following end)
        | otherwise = end
    following end = end + 1 + fromIntegral (B.index bytes end)

-- The room. An offer is a transaction of its own: one for all clients would begin again whenever a writer interfered.
broadcast :: Room -> IO ()
broadcast room = forever $ do
    batch <- atomically (readTBQueue (received room))
    receivers <- readTVarIO (clients room)
    forM_ receivers $ \client -> atomically (offer client batch)

-- Drop policy: a client gets all of the batch, or none of it if it is too far behind.
offer :: Client -> B.ByteString -> STM ()
offer client batch = do
    behind <- readTVar (unsent client)
    when (behind <= limit) $ do
        writeTQueue (outbox client) batch
        writeTVar (unsent client) $! behind + cost batch

cost :: B.ByteString -> Int
cost batch = cell + B.length batch

accepting :: Room -> Socket -> IO ()
accepting room listener = forever . handle noDescriptor $
    bracketOnError (fst <$> accept listener) close $ \connected ->
        void (forkFinally (serve room connected) (const (close connected)))
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
            room <- Room <$> newTVarIO IntMap.empty <*> newTVarIO 0 <*> newTBQueueIO waiting
            race_ (broadcast room) (accepting room listener) -- if either fails, both end

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
        hPutStrLn stderr "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)"
        exitWith (ExitFailure 2)
