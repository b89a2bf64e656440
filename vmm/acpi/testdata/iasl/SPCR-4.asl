[0004]                   Signature : "SPCR"
[0004]                Table Length : 00000062
[0001]                    Revision : 04
[0001]                    Checksum : 5B
[0006]                      Oem ID : "VGRAFT"
[0008]                Oem Table ID : "SAMPLE"
[0004]                Oem Revision : 04030201
[0004]             Asl Compiler ID : "VGFT"
[0004]       Asl Compiler Revision : 08070605
[0001]              Interface Type : 03
[0003]                    Reserved : 000000
[000C]        Serial Port Register : [Generic Address Structure]
[0001]                    Space ID : 01
[0001]                   Bit Width : 02
[0001]                  Bit Offset : 03
[0001]        Encoded Access Width : 04
[0008]                     Address : 0706050403020105
[0001]              Interrupt Type : 08
[0001]         PCAT-compatible IRQ : 06
[0004]                   Interrupt : 03020107
[0001]                   Baud Rate : 08
[0001]                      Parity : 09
[0001]                   Stop Bits : 0A
[0001]                Flow Control : 0B
[0001]               Terminal Type : 0C
[0001]                    Language : 00
[0002]               PCI Device ID : 010E
[0002]               PCI Vendor ID : 010F
[0001]                     PCI Bus : 10
[0001]                  PCI Device : 11
[0001]                PCI Function : 12
[0004]                   PCI Flags : 03020113
[0001]                 PCI Segment : 14
[0004]             Uart Clock Freq : 03020115
[0004]           Precise Baud rate : 03020116
[0002]       NameSpaceStringLength : 000A
[0002]       NameSpaceStringOffset : 0058
[000A]             NamespaceString : "\_SB.COM0"
