-- Broadcast in Haskell: green threads, and memory that they share in transactions.
--
-- Order: every connection's thread puts its whole messages into one queue; a batch taken from it goes
-- to all clients before the next one is taken: that is the common order.
-- A slow client: only its own writing thread waits for it. While more than `limit` bytes are unsent,
-- the client misses new batches, always as whole messages.
module Main (main) where

import Control.Concurrent (forkFinally, forkIO, newEmptyMVar, putMVar, takeMVar, threadDelay)
import Control.Concurrent.STM
import Control.Exception (IOException, bracketOnError, handle, try)
import Control.Monad (forM_, forever, unless, void, when)
import qualified Data.ByteString as B
import qualified Data.ByteString.Unsafe as B (unsafeIndex)
import qualified Data.IntMap.Strict as IntMap
import Network.Socket
import Network.Socket.ByteString (recv, sendMany)
import System.Environment (getArgs)
import System.Exit (ExitCode (..), exitWith)
import System.IO (hFlush, hPutStrLn, stderr, stdout)
import System.Posix.Process (exitImmediately)
import System.Posix.Signals (Handler (Catch), installHandler, sigINT, sigTERM)
import Text.Read (readMaybe)

backlog, fewBytes, chunk, limit, cell, waiting, retryUs, lingerMs :: Num a => a
backlog = 1024
fewBytes = 4 * 1024 -- first read: ten thousand idle clients must not cost a gigabyte
chunk = 64 * 1024 -- largest read: thousands of messages, yet small enough to be fair
limit = 256 * 1024 -- a client with more unsent bytes misses new batches
cell = 64 -- bytes that a batch takes in an outbox beyond its own
waiting = 64 -- batches in the room's queue; when it is full, readers wait
retryUs = 100 * 1000 -- how long to wait for a descriptor when there is none left
lingerMs = 10 * 1000 -- for a client that has closed its sending side to read what is unsent

data Client = Client
    { connection :: Socket
    , outbox :: TVar [B.ByteString] -- the latest batch first
    , unsent :: TVar Int -- bytes in the outbox or being written
    , leaving :: TVar Bool
    }

data Room = Room
    { clients :: TVar (IntMap.IntMap Client)
    , newest :: TVar Int -- the number of the client that joined last
    , received :: TBQueue B.ByteString -- whole messages
    }

main :: IO ()
main = do
    (host, port) <- parseAddress =<< getArgs
    -- Nothing needs saving, and the kernel closes every connection.
    forM_ [sigINT, sigTERM] $ \number -> installHandler number (Catch (exitImmediately ExitSuccess)) Nothing
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
            void (forkIO (broadcast room))
            accepting room listener

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

accepting :: Room -> Socket -> IO ()
accepting room listener = forever (handle noDescriptor (accept listener >>= void . forkIO . serve room . fst))
  where
    noDescriptor :: IOException -> IO ()
    noDescriptor _ = threadDelay retryUs

serve :: Room -> Socket -> IO ()
serve room connected = do
    client <- Client connected <$> newTVarIO [] <*> newTVarIO 0 <*> newTVarIO False
    number <- atomically $ do
        modifyTVar' (newest room) (+ 1)
        number <- readTVar (newest room)
        modifyTVar' (clients room) (IntMap.insert number client)
        pure number
    written <- newEmptyMVar
    void (forkFinally (write client) (putMVar written))
    ignoringReset (readMessages room connected fewBytes B.empty)
    atomically $ do
        modifyTVar' (clients room) (IntMap.delete number)
        writeTVar (leaving client) True
    setSocketOption connected UserTimeout lingerMs -- it may never read
    void (takeMVar written)
    close connected -- not earlier: a thread about to use its descriptor could meet the next client's

-- Queue whole messages as they arrive, until the end of the stream.
readMessages :: Room -> Socket -> Int -> B.ByteString -> IO ()
readMessages room connected size rest = do
    got <- recv connected size
    unless (B.null got) $ do
        let (whole, unfinished) = wholeMessages (rest <> got)
        unless (B.null whole) $ atomically (writeTBQueue (received room) whole)
        -- A full read means that there was more to read. A copy of the rest, so that the chunk can be freed.
        readMessages room connected (if B.length got == size then min chunk (2 * size) else size) (B.copy unfinished)

-- Send the outbox: one write for everything that was added during the previous write.
write :: Client -> IO ()
write client = ignoringReset sending -- reading fails too, and ends the connection
  where
    sending = do
        batches <- atomically $ do
            batches <- readTVar (outbox client)
            gone <- readTVar (leaving client)
            check (gone || not (null batches))
            batches <$ writeTVar (outbox client) []
        unless (null batches) $ do
            sendMany (connection client) (reverse batches)
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
    following end = end + 1 + fromIntegral (B.unsafeIndex bytes end)

-- Offer what has been received as one batch, again and again: one offer per client.
broadcast :: Room -> IO ()
broadcast room = forever $ do
    (batches, receivers) <- atomically $ do
        first <- readTBQueue (received room)
        others <- upTo (chunk - B.length first)
        (,) (first : others) <$> readTVar (clients room)
    let batch = B.concat batches
    forM_ receivers $ \client -> atomically (offer client batch)
  where
    upTo size
        | size <= 0 = pure [] -- a longer batch might make clients miss the next one
        | otherwise = tryReadTBQueue (received room) >>= maybe (pure []) (\next -> (next :) <$> upTo (size - B.length next))

-- Drop policy: a client gets all of the batch, or none of it if it is too far behind.
offer :: Client -> B.ByteString -> STM ()
offer client batch = do
    behind <- readTVar (unsent client)
    when (behind <= limit) $ do
        modifyTVar' (outbox client) (batch :)
        writeTVar (unsent client) $! behind + cost batch

cost :: B.ByteString -> Int
cost batch = cell + B.length batch

parseAddress :: [String] -> IO (HostName, PortNumber)
parseAddress arguments = case map (break (== ']')) arguments of
    [('[' : host, ']' : ':' : port)] | ':' `elem` host -> checked host port
    [(address, "")] | (host, ':' : port) <- break (== ':') address, '[' `notElem` host -> checked host port
    _ -> usage
  where
    checked host port = case readMaybe port :: Maybe Int of
        Just number | not (null host) && all (`elem` ['0' .. '9']) port && number <= 65535 -> pure (host, fromIntegral number)
        _ -> usage
    usage = do
        hPutStrLn stderr "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)"
        exitWith (ExitFailure 2)
