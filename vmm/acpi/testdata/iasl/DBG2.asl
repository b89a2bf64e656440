[0004]                    Signature : "DBG2"
[0004]                 Table Length : 00000098
[0001]                     Revision : 00
[0001]                     Checksum : FE
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]                  Info Offset : 0000002C
[0004]                   Info Count : 00000002
[0001]                     Revision : 00
[0002]                       Length : 0040
[0001]               Register Count : 02
[0002]              Namepath Length : 000A
[0002]              Namepath Offset : 0036
[0002]              OEM Data Length : 0000
[0002]              OEM Data Offset : 0000
[0002]                    Port Type : 8000
[0002]                 Port Subtype : 0003
[0002]                     Reserved : 0000
[0002]          Base Address Offset : 0016
[0002]          Address Size Offset : 002E
[0012]        Base Address Register : [Generic Address Structure]
[0001]                     Space ID : 00
[0001]                    Bit Width : 20
[0001]                   Bit Offset : 00
[0001]         Encoded Access Width : 03
[0008]                      Address : 0807060504030201
[0012]        Base Address Register : [Generic Address Structure]
[0001]                     Space ID : 00
[0001]                    Bit Width : 20
[0001]                   Bit Offset : 00
[0001]         Encoded Access Width : 03
[0008]                      Address : 0807060504030201
[0004]                 Address Size : 00001000
[0004]                 Address Size : 00002000
[0010]                     Namepath : "\_SB.COM0"
[0001]                     Revision : 00
[0002]                       Length : 002C
[0001]               Register Count : 01
[0002]              Namepath Length : 0002
[0002]              Namepath Offset : 0026
[0002]              OEM Data Length : 0004
[0002]              OEM Data Offset : 0028
[0002]                    Port Type : 8002
[0002]                 Port Subtype : 0000
[0002]                     Reserved : 0000
[0002]          Base Address Offset : 0016
[0002]          Address Size Offset : 0022
[0012]        Base Address Register : [Generic Address Structure]
[0001]                     Space ID : 00
[0001]                    Bit Width : 20
[0001]                   Bit Offset : 00
[0001]         Encoded Access Width : 03
[0008]                      Address : 0807060504030201
[0004]                 Address Size : 00000008
[0002]                     Namepath : "."
[0004]                     OEM Data : 01 02 03 04
