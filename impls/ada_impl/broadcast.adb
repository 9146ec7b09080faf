--  Broadcast in Ada: two tasks per client, and protected objects that they share.
--
--  Order: a client's reader offers its whole messages to all clients in one protected action of Room,
--  and there is only one such action at a time: that is the common order.
--  A slow client: only its own writer waits for it. While more than Limit bytes are unsent, the client
--  misses new batches, always as whole messages.

with Ada.Command_Line;
with Ada.Containers.Doubly_Linked_Lists;
with Ada.Exceptions;
with Ada.Streams;        use Ada.Streams;
with Ada.Strings.Fixed;  use Ada.Strings.Fixed;
with Ada.Text_IO;        use Ada.Text_IO;
with Ada.Unchecked_Deallocation;
with GNAT.Sockets;       use GNAT.Sockets;

procedure Broadcast is

   Backlog    : constant := 1024;
   Chunk      : constant := 64 * 1024;   --  largest read: thousands of messages, yet small enough to be fair
   Limit      : constant := 256 * 1024;  --  a client with more unsent bytes misses new batches
   Message    : constant := 256;         --  bytes of the longest message, including its header
   Stack      : constant := 192 * 1024;  --  bytes per task; what it does not touch costs no memory
   Second     : constant := 1024;        --  bytes of its second stack, at first: GNAT loses them if it cannot start
   Retry      : constant Duration := 0.1;   --  how long to wait for a descriptor when there is none left
   Linger_For : constant Duration := 10.0;  --  for a client that has closed its sending side to read what is unsent

   type Bytes is access Stream_Element_Array;
   procedure Free is new Ada.Unchecked_Deallocation (Stream_Element_Array, Bytes);

   --  What one client has not been sent yet.
   protected type Outbox_Type is
      procedure Offer (Batch : Stream_Element_Array);
      procedure Leave;  --  nothing will be offered any more
      entry Take (Batch : in out Bytes; Last : out Stream_Element_Count);  --  Last = 0: the client has left
      procedure Finish;  --  the writer has ended
      entry Finished;
   private
      Data      : Bytes;
      Used      : Stream_Element_Count := 0;  --  bytes of Data
      In_Flight : Stream_Element_Count := 0;  --  bytes that the writer has taken
      Leaving   : Boolean := False;
      Done      : Boolean := False;
   end Outbox_Type;

   type Client_Type;
   type Client_Access is access all Client_Type;

   task type Reader_Task (Client : not null access Client_Type) with
     Storage_Size => Stack, Secondary_Stack_Size => Second
   is
      entry Start (Connected : Socket_Type);
   end Reader_Task;

   task type Writer_Task (Client : not null access Client_Type) with Storage_Size => Stack;

   Newest : Client_Access;  --  created last: `new` does not return a client whose task cannot start
   function Created (Client : Client_Access) return Client_Access;

   type Client_Type is limited record
      Self   : Client_Access := Created (Client_Type'Unchecked_Access);
      Socket : Socket_Type;
      Outbox : Outbox_Type;
      Reader : Reader_Task (Client_Type'Access);  --  starts when the client is created
   end record;

   procedure Free is new Ada.Unchecked_Deallocation (Client_Type, Client_Access);

   package Client_Lists is new Ada.Containers.Doubly_Linked_Lists (Client_Access);

   protected Room is
      procedure Join (Client : Client_Access);
      procedure Leave (Client : Client_Access);
      procedure Offer_To_All (Batch : Stream_Element_Array);
   private
      Clients : Client_Lists.List;
   end Room;

   --  A task cannot free itself: this one waits for the reader of a client that has left, and frees it.
   task Reaper is
      entry Reap (Client : Client_Access);
   end Reaper;

   procedure Serve (Client : Client_Access);
   procedure Read_Messages (Socket : Socket_Type);
   procedure Shut_Down (Socket : Socket_Type);
   procedure Write (Client : in out Client_Type);
   function Whole_Messages (Data : Stream_Element_Array) return Stream_Element_Count;

   -------------------------------------------------------------------------
   --  One connection

   function Created (Client : Client_Access) return Client_Access is
   begin
      Newest := Client;
      return Client;
   end Created;

   task body Reader_Task is
   begin
      accept Start (Connected : Socket_Type) do
         Client.Socket := Connected;
      end Start;
      begin
         Serve (Client.Self);
      exception
         when Storage_Error =>
            null;  --  no memory to create its writer: Serve's own handler does not cover Serve's declarations
      end;
      Close_Socket (Client.Socket);
      Reaper.Reap (Client.Self);
   end Reader_Task;

   --  This procedure returns only when its task Writer has ended.
   procedure Serve (Client : Client_Access) is
      Writer : Writer_Task (Client);
   begin
      Room.Join (Client);
      Read_Messages (Client.Socket);
      Room.Leave (Client);
      Client.Outbox.Leave;
      select
         Client.Outbox.Finished;
      or
         delay Linger_For;  --  it may never read
         Shut_Down (Client.Socket);  --  the writer's call fails
      end select;
   exception
      when Storage_Error | Tasking_Error =>  --  no thread is left for the writer, or no memory
         Client.Outbox.Leave;
   end Serve;

   task body Writer_Task is
   begin
      Write (Client.all);
      Client.Outbox.Finish;
   end Writer_Task;

   --  Pass on whole messages as they arrive, until the end of the stream.
   procedure Read_Messages (Socket : Socket_Type) is
      Data        : Stream_Element_Array (1 .. Message + Chunk);
      Last, Whole : Stream_Element_Count;
      Unfinished  : Stream_Element_Count := 0;  --  bytes of a message at the start of Data
   begin
      loop
         Receive_Socket (Socket, Data (Unfinished + 1 .. Unfinished + Chunk), Last);
         exit when Last = Unfinished;
         Whole := Whole_Messages (Data (1 .. Last));
         if Whole > 0 then
            Room.Offer_To_All (Data (1 .. Whole));
         end if;
         Unfinished := Last - Whole;
         Data (1 .. Unfinished) := Data (Whole + 1 .. Last);
      end loop;
   exception
      when Socket_Error =>
         null;  --  a reset ends a connection just as an end of stream does
      when Problem : others =>
         Put_Line (Standard_Error, Ada.Exceptions.Exception_Information (Problem));
   end Read_Messages;

   procedure Shut_Down (Socket : Socket_Type) is
   begin
      Shutdown_Socket (Socket);
   exception
      when Socket_Error =>
         null;  --  it has failed already: a reset
   end Shut_Down;

   --  Send the outbox, all that it holds at a time, until the client has left and all is sent.
   procedure Write (Client : in out Client_Type) is
      Batch      : Bytes;
      Last, Sent : Stream_Element_Count;
   begin
      loop
         Client.Outbox.Take (Batch, Last);
         exit when Last = 0;
         Sent := 0;
         while Sent < Last loop
            Send_Socket (Client.Socket, Batch (Sent + 1 .. Last), Sent);
         end loop;
      end loop;
      Free (Batch);
   exception
      when Socket_Error =>
         Free (Batch);
         Shut_Down (Client.Socket);  --  what it has sent is still read, to the end that this makes
   end Write;

   --  The length of the longest prefix of the data that consists of whole messages.
   function Whole_Messages (Data : Stream_Element_Array) return Stream_Element_Count is
      Whole : Stream_Element_Count := 0;
   begin
      while Whole < Data'Last and then Whole + 1 + Stream_Element_Count (Data (Whole + 1)) <= Data'Last loop
         Whole := Whole + 1 + Stream_Element_Count (Data (Whole + 1));
      end loop;
      return Whole;
   end Whole_Messages;

   -------------------------------------------------------------------------
   --  The room, and the drop policy

   protected body Room is
      procedure Join (Client : Client_Access) is
      begin
         Clients.Append (Client);
      end Join;

      procedure Leave (Client : Client_Access) is
         Position : Client_Lists.Cursor := Clients.Find (Client);
      begin
         Clients.Delete (Position);
      end Leave;

      procedure Offer_To_All (Batch : Stream_Element_Array) is
      begin
         for Client of Clients loop
            Client.Outbox.Offer (Batch);
         end loop;
      end Offer_To_All;
   end Room;

   protected body Outbox_Type is
      --  Drop policy: a client gets all of the batch, or none of it if it is too far behind.
      procedure Offer (Batch : Stream_Element_Array) is
         Needed : constant Stream_Element_Count := Used + Batch'Length;
         Larger : Bytes;
      begin
         if Done or else Used + In_Flight > Limit then
            return;
         end if;
         if Data = null or else Data'Length < Needed then
            Larger := new Stream_Element_Array (1 .. 2 * Needed);
            if Data /= null then
               Larger (1 .. Used) := Data (1 .. Used);
               Free (Data);
            end if;
            Data := Larger;
         end if;
         Data (Used + 1 .. Needed) := Batch;
         Used := Needed;
      end Offer;

      procedure Leave is
      begin
         Leaving := True;
      end Leave;

      --  The writer gives back the buffer that it has sent, and gets the one that has been filled meanwhile.
      entry Take (Batch : in out Bytes; Last : out Stream_Element_Count) when Used > 0 or Leaving is
         Sent : constant Bytes := Batch;
      begin
         Batch := Data;
         Data := Sent;
         Last := Used;
         In_Flight := Used;
         Used := 0;
      end Take;

      procedure Finish is
      begin
         Free (Data);
         Done := True;
      end Finish;

      entry Finished when Done is
      begin
         null;
      end Finished;
   end Outbox_Type;

   task body Reaper is
      Ended : Client_Access;
   begin
      loop
         select
            accept Reap (Client : Client_Access) do
               Ended := Client;
            end Reap;
         or
            terminate;
         end select;
         while not Ended.Reader'Terminated loop
            delay 0.001;  --  it is in its last statement
         end loop;
         Free (Ended);
      end loop;
   end Reaper;

   procedure Accept_Clients (Server : Socket_Type) is
      Connected : Socket_Type;
      Address   : Sock_Addr_Type;
      Client    : Client_Access;
   begin
      loop
         begin
            Accept_Socket (Server, Connected, Address);
            begin
               Client := new Client_Type;
               Client.Reader.Start (Connected);
            exception
               when Tasking_Error =>  --  no thread is left
                  Close_Socket (Connected);
                  Free (Newest);
               when Storage_Error =>  --  no memory
                  Close_Socket (Connected);
            end;
         exception
            when Socket_Error =>
               delay Retry;  --  no descriptor is left
         end;
      end loop;
   end Accept_Clients;

   -------------------------------------------------------------------------
   --  The address, and what happens at the start

   --  Split HOST:PORT or [HOST]:PORT; Colon is 0 if the argument is neither.
   procedure Parse_Address (Argument : String; Colon : out Natural; Bracketed : out Boolean) is
      Port : Natural := 0;
   begin
      Colon := Index (Argument, ":", Ada.Strings.Backward);
      Bracketed := Colon > 3 and then Argument (1) = '[' and then Argument (Colon - 1) = ']';
      if Colon < 2 or else Argument'Last - Colon not in 1 .. 5
        or else (Index (Argument (1 .. Colon - 1), ":") > 0) /= Bracketed
        or else (for some Digit of Argument (Colon + 1 .. Argument'Last) => Digit not in '0' .. '9')
      then
         Colon := 0;
      else
         Port := Natural'Value (Argument (Colon + 1 .. Argument'Last));
         Colon := (if Port > 65_535 then 0 else Colon);
      end if;
   end Parse_Address;

   procedure Main (Argument : String) is
      Colon     : Natural;
      Bracketed : Boolean;
      Server    : Socket_Type;
   begin
      Parse_Address (Argument, Colon, Bracketed);
      if Colon = 0 then
         Put_Line (Standard_Error, "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
         Ada.Command_Line.Set_Exit_Status (2);
         return;
      end if;
      declare
         Edge  : constant Natural := (if Bracketed then 1 else 0);
         Host  : constant String := Argument (1 + Edge .. Colon - 1 - Edge);
         Found : constant Address_Info_Array := Get_Address_Info (Host, Argument (Colon + 1 .. Argument'Last));
      begin
         Create_Socket (Server, Found (1).Addr.Family);
         Set_Socket_Option (Server, Socket_Level, (Reuse_Address, True));
         Set_Socket_Option (Server, IP_Protocol_For_TCP_Level, (No_Delay, True));  --  its connections inherit it
         Bind_Socket (Server, Found (1).Addr);
         Listen_Socket (Server, Backlog);
      end;
      Put_Line ("listening on " & Argument (1 .. Colon) & Trim (Get_Socket_Name (Server).Port'Image, Ada.Strings.Left));
      Flush;
      Accept_Clients (Server);
   exception
      when Problem : Socket_Error | Host_Error =>
         Put_Line (Standard_Error, "cannot listen on " & Argument & ": " & Ada.Exceptions.Exception_Message (Problem));
         Ada.Command_Line.Set_Exit_Status (1);
   end Main;

begin
   Main (if Ada.Command_Line.Argument_Count = 1 then Ada.Command_Line.Argument (1) else "");
end Broadcast;
